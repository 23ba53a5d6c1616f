/** What the bus says about itself, and what a commit makes of it. */
import type {
  AccountDeactivated,
  AccountKeyRolledOver,
  AccountRegistered,
  ChallengePresented,
  Recipient,
  SnapshotTaken,
} from '../event-types/bus-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import type { Commit } from './codec.ts';

/** An ACME account, with its key sealed. */
export type Account = Omit<AccountRegistered, 'type'>;

/** A TLS-ALPN-01 challenge that is being answered. */
export type Challenge = Omit<ChallengePresented, 'type'>;

/** An event that breaks a rule where it stands. */
export interface VoidedEvent {
  readonly type: string;
  /** Position of its commit. */
  readonly position: number;
  /** The rule, in words. */
  readonly rule: string;
}

/** Anyone who has a manager's key could write any number of them. */
const MAX_VOIDED = 20;

/** What the bus says about itself, apart from the keys in force, which a {@link Checkpoint} holds. Plain JSON. */
export interface BusState {
  readonly recipients: readonly Recipient[];
  /** Position of the commit that named them; 0 before. */
  readonly recipientsPosition: number;
  /** The configuration, sealed to the managers; `undefined` before the first. */
  readonly config: { readonly sealed: string; readonly position: number } | undefined;
  /** In the order in which their keys came into force, newest last. */
  readonly accounts: readonly Account[];
  /** The key that accounts are being rolled over to; `undefined` where all have it. */
  readonly nextAccountKey: Pick<Account, 'thumbprint' | 'sealedKey'> | undefined;
  /** Accounts that were given up. */
  readonly closedAccounts: readonly Omit<AccountDeactivated, 'type'>[];
  /** TLS-ALPN-01 challenges that clients answer now, newest last. */
  readonly challenges: readonly Challenge[];
  /** The last commit that is in the archive, as all before it are; `undefined` before the first range. */
  readonly archived: { readonly position: number; readonly hash: string } | undefined;
  /** The newest snapshot in the archive; `undefined` before the first. */
  readonly snapshot: Omit<SnapshotTaken, 'type'> | undefined;
  /** The newest events that broke a rule where they stood, newest last: none of them counts. */
  readonly voided: readonly VoidedEvent[];
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
  nextAccountKey: undefined,
  closedAccounts: [],
  challenges: [],
  archived: undefined,
  snapshot: undefined,
  voided: [],
  unknown: [],
  newestAt: undefined,
};

/** A roll-over is over when every account has the new key. */
function endRollOver(state: BusState): BusState {
  const { accounts, nextAccountKey } = state;
  const isOver = accounts.every(({ thumbprint }) => thumbprint === nextAccountKey?.thumbprint);
  return isOver ? { ...state, nextAccountKey: undefined } : state;
}

function putAccount(state: BusState, { type: _, ...account }: AccountRegistered | AccountKeyRolledOver): BusState {
  const others = state.accounts.filter(({ directory }) => directory !== account.directory);
  return endRollOver({ ...state, accounts: [...others, account] });
}

function withoutChallenges(state: BusState, isOver: (challenge: Challenge) => boolean): BusState {
  // Nearly every commit finds none.
  if (state.challenges.length === 0) return state;
  return { ...state, challenges: state.challenges.filter((challenge) => !isOver(challenge)) };
}

function evolveEvent(state: BusState, event: BusEvent, position: number): BusState {
  switch (event.type) {
    case 'RecipientsUpdated':
      return { ...state, recipients: event.recipients, recipientsPosition: position };
    case 'ConfigUpdated':
      return { ...state, config: { sealed: event.sealed, position } };
    case 'AccountRegistered':
    case 'AccountKeyRolledOver':
      return putAccount(state, event);
    case 'AccountKeyRollOverStarted': {
      const { thumbprint, sealedKey } = event;
      return { ...state, nextAccountKey: { thumbprint, sealedKey } };
    }
    case 'AccountDeactivated': {
      const { type: _, ...closed } = event;
      const accounts = state.accounts.filter(({ accountUrl }) => accountUrl !== closed.accountUrl);
      return endRollOver({ ...state, accounts, closedAccounts: [...state.closedAccounts, closed] });
    }
    case 'ChallengePresented': {
      const { type: _, ...challenge } = event;
      return { ...state, challenges: [...state.challenges, challenge] };
    }
    case 'CertificateObtained':
    case 'IssuanceFailed':
      return withoutChallenges(state, ({ issuanceId }) => issuanceId === event.issuanceId);
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
  const isLapsed = ({ expiresAt }: Challenge) => Date.parse(expiresAt) <= at.getTime();
  let next: BusState = { ...withoutChallenges(state, isLapsed), newestAt: at.toISOString() };
  for (const { type, event, unknown, broken } of events) {
    if (event) next = evolveEvent(next, event, position);
    if (broken !== undefined)
      next = { ...next, voided: [...next.voided, { type, position, rule: broken }].slice(-MAX_VOIDED) };
    const news = unknown.filter((what) => !next.unknown.includes(what));
    if (news.length > 0) next = { ...next, unknown: [...next.unknown, ...news] };
  }
  return next;
}
