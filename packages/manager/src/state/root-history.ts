/** What the root has said over time: who managed, and whom private keys were sealed to. */
import type { IssuedCertificate, Manager, Recipient } from '@certbus/events';
import { type Checkpoint, type PlacedRootEvent, readEvent } from '@certbus/events/history';
import type { ReplicaReader, Traits } from '@certbus/replica';
import type { ManagerState } from './state.ts';

/** What is in force at a position of a bus, and the root events that made it so. */
export interface RootState {
  readonly checkpoint: Checkpoint;
  readonly rootEvents: readonly PlacedRootEvent[];
}

/** What the root has said over time. */
export interface RootHistory {
  /** Every list of recipients, with the position of its commit, in order. */
  readonly recipients: readonly { readonly position: number; readonly recipients: readonly Recipient[] }[];
  /** Every manager that was ever named. */
  readonly managers: readonly Manager[];
}

/** Reads it of the replica, and what came since of the state. */
export function rootHistoryOf({
  replica,
  state,
  checkpoint,
}: {
  readonly checkpoint: Pick<Checkpoint, 'managers'>;
  readonly replica: Pick<ReplicaReader, 'rootEvents'>;
  readonly state: Pick<ManagerState, 'bus'>;
}): RootHistory {
  const said = replica.rootEvents().map(({ position, root }) => ({ position, event: readEvent(root).event }));
  const recipients = said.flatMap(({ position, event }) =>
    event?.type === 'RecipientsUpdated' ? [{ position, recipients: event.recipients }] : [],
  );
  const { recipients: current, recipientsPosition: position } = state.bus;
  const isKnown = recipients.some((list) => list.position === position);
  const managers = said.flatMap(({ event }) => (event?.type === 'ManagersUpdated' ? event.managers : []));
  return {
    recipients: isKnown ? recipients : [...recipients, { position, recipients: current }],
    managers: [...managers, ...checkpoint.managers],
  };
}

/** The lists of recipients that a private key was sealed to, at first or since; none where the bus does not say. */
export function listsOf(
  { recipientsPosition, isResealed }: Pick<Traits, 'recipientsPosition' | 'isResealed'>,
  { recipients }: Pick<RootHistory, 'recipients'>,
): RootHistory['recipients'] {
  if (recipientsPosition === undefined) return [];
  return recipients.filter(({ position }) =>
    isResealed ? position >= recipientsPosition : position === recipientsPosition,
  );
}

/**
 * Names of those whose keys open a certificate's private key, as it is on the bus or was there before it was sealed again; `undefined` where the
 * bus does not say.
 */
export function openersOf(
  { origin, importedAt }: Pick<IssuedCertificate, 'origin' | 'importedAt'>,
  history: Pick<RootHistory, 'recipients'>,
): readonly string[] | undefined {
  if (!origin) return undefined;
  // What was imported is sealed to those in force at its commit.
  const isInForce = ({ position }: { readonly position: number }) => position <= origin.position;
  const atImport = importedAt === undefined ? undefined : history.recipients.findLast(isInForce);
  const { recipientsPosition = atImport?.position, isResealed = false } = origin;
  const lists = listsOf({ recipientsPosition, isResealed }, history);
  if (lists.length === 0) return undefined;
  return [...new Set(lists.flatMap((list) => list.recipients.map(({ name }) => name)))];
}
