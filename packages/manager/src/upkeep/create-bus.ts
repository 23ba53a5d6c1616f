/** Writes the first commit of a bus. */
import { checkRecipients, type Floor, type Manager, type Recipient, type Signer, type Trust } from '@certbus/events';
import { BEGINNING, belowFloor, floorAt, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type Log, openBus, VersionConflictError } from '@certbus/store';
import { ManagerError } from '../errors.ts';

/**
 * Writes the first commit of a bus: `BusCreated`, its managers and its recipients, signed by the root.
 *
 * A stream that this bus begins already is left as it is (`created: false`), so that an interrupted set-up can be run again. Returns the
 * floor at that commit, for the trust file.
 * Rejects `CERTBUS_MANAGER_BUS_EXISTS` when the stream holds another bus, and `CERTBUS_EVENTS_BELOW_FLOOR` when it is empty and the trust
 * has a floor: that bus was begun, and is gone.
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
): Promise<{ created: boolean; floor: Floor }> {
  await checkRecipients(recipients);
  const bus = openBus(log, stream, { trust, signer: root });
  const events: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(root, trust.busId, 1, { type: 'ManagersUpdated', managers }),
    signRootEvent(root, trust.busId, 2, { type: 'RecipientsUpdated', recipients }),
  ];
  try {
    // A trust that has a floor is that of a bus which was begun.
    if (!trust.floor) {
      const { checkpoint } = await bus.append(BEGINNING, events, { at: now() });
      return { created: true, floor: floorAt(checkpoint) };
    }
  } catch (error) {
    if (!(error instanceof VersionConflictError)) throw error;
  }
  const { commits, checkpoint, refused } = await bus.read(BEGINNING, { limit: 1, consistent: true });
  if (commits.length > 0) return { created: false, floor: floorAt(checkpoint) };
  if (trust.floor && !refused) throw belowFloor(trust, checkpoint);
  throw new ManagerError(
    'CERTBUS_MANAGER_BUS_EXISTS',
    `The stream "${stream}" holds another bus, whose root is not this one. Choose another stream name, or use the keys and the bus.pub of that bus.`,
  );
}
