import type { AccountRegistered, Recipient, SnapshotTaken } from './bus-events.ts';
import type { Commit } from './codec.ts';
import type { BusEvent } from './event-schema.ts';

/** What the bus says about itself, apart from keys in force, which a {@link Checkpoint} holds. Plain JSON. */
export interface BusState {
  readonly recipients: readonly Recipient[];
  /** Position of the commit that named them; 0 before. */
  readonly recipientsPosition: number;
  /** The configuration, sealed to the managers; `undefined` before the first. */
  readonly config: { readonly sealed: string; readonly position: number } | undefined;
  readonly accounts: readonly Omit<AccountRegistered, 'type'>[];
  /** The last commit that lies in the archive, as all before it do; `undefined` before the first range. */
  readonly archived: { readonly position: number; readonly hash: string } | undefined;
  /** The newest snapshot in the archive; `undefined` before the first. */
  readonly snapshot: Omit<SnapshotTaken, 'type'> | undefined;
  /** Types and fields met that this release does not know. */
  readonly unknown: readonly string[];
  /** When the newest commit was signed, ISO 8601; `undefined` on an empty bus. */
  readonly newestAt: string | undefined;
}

/** An empty bus. */
export const EMPTY_BUS: BusState = {
  recipients: [],
  recipientsPosition: 0,
  config: undefined,
  accounts: [],
  archived: undefined,
  snapshot: undefined,
  unknown: [],
  newestAt: undefined,
};

function evolveEvent(state: BusState, event: BusEvent, position: number): BusState {
  switch (event.type) {
    case 'RecipientsUpdated':
      return { ...state, recipients: event.recipients, recipientsPosition: position };
    case 'ConfigUpdated':
      return { ...state, config: { sealed: event.sealed, position } };
    case 'AccountRegistered': {
      const { type: _, ...account } = event;
      return {
        ...state,
        accounts: [...state.accounts.filter(({ directory }) => directory !== account.directory), account],
      };
    }
    case 'RangeArchived': {
      const { first, last, hash } = event;
      // Two managers may have archived one range at the same time.
      const isNext = first === (state.archived?.position ?? 0) + 1;
      return isNext ? { ...state, archived: { position: last, hash } } : state;
    }
    case 'SnapshotTaken': {
      const { type: _, ...snapshot } = event;
      return { ...state, snapshot };
    }
    default:
      return state;
  }
}

/** What a commit makes of the bus's state. Pure. */
export function evolveBus(
  state: BusState,
  { events, position, at }: Pick<Commit, 'events' | 'position' | 'at'>,
): BusState {
  let next: BusState = { ...state, newestAt: at.toISOString() };
  for (const { event, unknown } of events) {
    if (event) next = evolveEvent(next, event, position);
    const news = unknown.filter((what) => !next.unknown.includes(what));
    if (news.length > 0) next = { ...next, unknown: [...next.unknown, ...news] };
  }
  return next;
}
