/** What the root has said over time: who managed, and whom private keys were sealed to. */
import type { Manager, Recipient } from '@certbus/events';
import { readEvent } from '@certbus/events/history';
import type { ReplicaReader } from '@certbus/replica';
import type { ManagerState } from './state.ts';
import type { ManagerView } from './view.ts';

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
}: Pick<ManagerView, 'checkpoint'> & {
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
