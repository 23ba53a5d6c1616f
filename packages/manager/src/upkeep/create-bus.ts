/** Writes the first commit of a bus. */
import { checkRecipients, type Manager, type Recipient, type Signer, type Trust } from '@certbus/events';
import { BEGINNING, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type Log, openBus, VersionConflictError } from '@certbus/store';
import { ManagerError } from '../errors.ts';

/**
 * Writes the first commit of a bus: `BusCreated`, its managers and its recipients, signed by the root.
 *
 * A stream that this bus begins already is left as it is (`created: false`), so that an interrupted set-up can be run again.
 * Rejects `CERTBUS_MANAGER_BUS_EXISTS` when the stream holds another bus.
 */
export async function createBus(
  log: Log,
  stream: string,
  {
    trust,
    root,
    managers,
    recipients,
    now = () => new Date(),
  }: {
    readonly trust: Trust;
    readonly root: Signer;
    readonly managers: readonly Manager[];
    readonly recipients: readonly Recipient[];
    readonly now?: () => Date;
  },
): Promise<{ created: boolean }> {
  checkRecipients(recipients);
  const bus = openBus(log, stream, { trust, signer: root });
  const events: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients }),
  ];
  try {
    await bus.append(BEGINNING, events, { at: now() });
    return { created: true };
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
  }
  const { commits } = await bus.read(BEGINNING, { limit: 1, consistent: true });
  if (commits.length > 0) return { created: false };
  throw new ManagerError(
    'CERTBUS_MANAGER_BUS_EXISTS',
    `The stream "${stream}" holds another bus, whose root is not this one. Choose another stream name, or use the keys and the bus.pub of that bus.`,
  );
}
