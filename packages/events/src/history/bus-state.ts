/** What the bus says about itself, and what a commit makes of it. */
import type {
  AccountDeactivated,
  AccountKeyRolledOver,
  AccountKeyRollOverStarted,
  AccountRegistered,
  AlertCleared,
  AlertKey,
  AlertRaised,
  ChallengePresented,
  Recipient,
  SnapshotTaken,
} from '../event-types/bus-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import {
  isSameAlert,
  MAX_DIRECTORIES,
  withAlert,
  withChallenge,
  withDirectory,
  withReplaced,
  withUnknown,
} from './bounds.ts';
import { type Campaign, withCampaign, withCampaignOrder, withoutCampaign } from './campaigns.ts';
import type { Commit } from './codec.ts';

/** Where a key of an account came from. */
export interface PlacedKey {
  /** Position of the commit that put the key on the bus: managers of that position, and of later ones, could open it. */
  readonly keyPosition: number;
  /** Position of the commit that sealed it to others last; absent where nobody did since it came. */
  readonly sealedPosition?: number;
}

/** An ACME account, with its key sealed. */
export interface Account extends Omit<AccountRegistered, 'type'>, PlacedKey {}

/** The key that comes next for the account at a directory, the first one as well. */
export interface NextAccountKey extends Omit<AccountKeyRollOverStarted, 'type'>, PlacedKey {}

/** A challenge that is being answered. */
export type Challenge = Omit<ChallengePresented, 'type'>;

/** An alert that people were told of, or are still to be. */
export interface NotedAlert extends AlertKey {
  readonly detail: string;
  /** ISO 8601. */
  readonly since: string;
  /** When it was found to be over, ISO 8601; absent while it is raised. */
  readonly until?: string | undefined;
  /** Names of the places in the configuration that could not be told yet. */
  readonly pending: readonly string[];
}

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
/** An older one is needed where a manager is expelled: the last one from before the first position that is not trusted. */
const MAX_SNAPSHOTS = 8;

/** What the bus says about itself, apart from the keys in force, which a {@link Checkpoint} holds. Plain JSON. */
export interface BusState {
  readonly recipients: readonly Recipient[];
  /** Position of the commit that named them; 0 before. */
  readonly recipientsPosition: number;
  /** The configuration, sealed to the managers; `undefined` before the first. */
  readonly config: { readonly sealed: string; readonly position: number } | undefined;
  /** One a directory, 100 at most. At most one of them is `stateless`. */
  readonly accounts: readonly Account[];
  /** Keys that no CA is known to have taken yet: one a directory at most, 100 at most. */
  readonly nextAccountKeys: readonly NextAccountKey[];
  /** Accounts in whose place another was registered, and which are still to be deactivated, each once, 100 at most. */
  readonly replacedAccounts: readonly Account[];
  /** The account that was given up last at each directory, 100 at most. */
  readonly closedAccounts: readonly Omit<AccountDeactivated, 'type'>[];
  /** Challenges that clients answer now, newest last, 5,000 at most. */
  readonly challenges: readonly Challenge[];
  /** The last commit that is in the archive, as all before it are; `undefined` before the first range. */
  readonly archived: { readonly position: number; readonly hash: string } | undefined;
  /** The snapshots in the archive, newest last, 8 at most. */
  readonly snapshots: readonly Omit<SnapshotTaken, 'type'>[];
  /** Campaigns, newest last, 20 at most: those that go on, and the newest of those that have ended. */
  readonly campaigns: readonly Campaign[];
  /** Alerts that are raised, or were and are still to be told of; 500 at most. */
  readonly alerts: readonly NotedAlert[];
  /** The newest events that broke a rule where they stood, newest last: none of them counts. */
  readonly voided: readonly VoidedEvent[];
  /**
   * Types and fields met that this release does not know, 50 of each at most, and a mark where there were more: {@link isKnown} takes it
   * for something that a release with other types or fields knows.
   */
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
  nextAccountKeys: [],
  replacedAccounts: [],
  closedAccounts: [],
  challenges: [],
  archived: undefined,
  snapshots: [],
  campaigns: [],
  alerts: [],
  voided: [],
  unknown: [],
  newestAt: undefined,
};

/** Where a key is from that is on the bus in this form from a position on; `known` is the same key, as it was there before. */
function placeOf(
  { sealedKey }: { readonly sealedKey: string },
  known: (PlacedKey & { readonly sealedKey: string }) | undefined,
  position: number,
): PlacedKey {
  if (!known) return { keyPosition: position };
  const { keyPosition, sealedPosition } = known;
  if (known.sealedKey !== sealedKey) return { keyPosition, sealedPosition: position };
  return sealedPosition === undefined ? { keyPosition } : { keyPosition, sealedPosition };
}

const withoutMark = ({ stateless: _, ...account }: Account): Account => account;

/** Puts an account in the place of its directory's, with the position from which its key is on the bus. */
function putAccount(state: BusState, account: Omit<Account, keyof PlacedKey>, position: number): BusState {
  const { directory, accountUrl, thumbprint } = account;
  const isThere = (each: { readonly directory: string }) => each.directory === directory;
  const isTheKey = (each: Pick<NextAccountKey, 'directory' | 'thumbprint'>) =>
    isThere(each) && each.thumbprint === thumbprint;
  const known = state.accounts.find(isThere);
  const place = placeOf(account, [...state.nextAccountKeys, ...state.accounts].find(isTheKey), position);
  const others = state.accounts.filter((each) => !isThere(each));
  // Nobody has so many CAs; what is there already is not pushed out.
  if (others.length >= MAX_DIRECTORIES) return state;
  const isReplaced = known !== undefined && known.accountUrl !== accountUrl;
  const stillReplaced = state.replacedAccounts.filter((each) => each.accountUrl !== accountUrl);
  return {
    ...state,
    accounts: [...(account.stateless ? others.map(withoutMark) : others), { ...account, ...place }],
    nextAccountKeys: state.nextAccountKeys.filter((each) => !isTheKey(each)),
    replacedAccounts: isReplaced ? withReplaced(stillReplaced, withoutMark(known)) : stillReplaced,
  };
}

/**
 * Whether an account has a key that is neither the one of its directory nor to come there. Its event counts for nothing: a manager in force
 * can have repeated an account that an expelled one had put there, which the expulsion made void.
 */
function isForeign(
  { accounts, nextAccountKeys }: BusState,
  account: Pick<Account, 'directory' | 'thumbprint'>,
): boolean {
  const ofDirectory = ({ directory }: { readonly directory: string }) => directory === account.directory;
  const keys = [...accounts, ...nextAccountKeys].filter(ofDirectory);
  return accounts.some(ofDirectory) && !keys.some(({ thumbprint }) => thumbprint === account.thumbprint);
}

function rollOver(state: BusState, { type: _, ...account }: AccountKeyRolledOver, position: number): BusState {
  const known = state.accounts.find(({ directory }) => directory === account.directory);
  if (known && known.accountUrl !== account.accountUrl) return state;
  return putAccount(state, { ...account, ...(known?.stateless ? { stateless: true } : {}) }, position);
}

function closeAccount(state: BusState, { type: _, ...closed }: AccountDeactivated): BusState {
  const isOther = ({ accountUrl }: Account) => accountUrl !== closed.accountUrl;
  const isCurrent = !state.accounts.every(isOther);
  return {
    ...state,
    accounts: state.accounts.filter(isOther),
    replacedAccounts: state.replacedAccounts.filter(isOther),
    // A key that was to come for the account has none to come for.
    nextAccountKeys: state.nextAccountKeys.filter(({ directory }) => !isCurrent || directory !== closed.directory),
    closedAccounts: withDirectory(state.closedAccounts, closed),
  };
}

function raiseAlert(
  state: BusState,
  { alert, subject, detail, since, pending = [] }: Omit<AlertRaised, 'type'>,
): BusState {
  return { ...state, alerts: withAlert(state.alerts, { alert, subject, detail, since, pending }) };
}

function clearAlert(state: BusState, event: AlertCleared): BusState {
  const { until, pending } = event;
  const change = (each: NotedAlert): readonly NotedAlert[] => {
    if (!isSameAlert(each, event)) return [each];
    return pending ? [{ ...each, until, pending }] : [];
  };
  return { ...state, alerts: state.alerts.flatMap(change) };
}

function withoutChallenges(state: BusState, isOver: (challenge: Challenge) => boolean): BusState {
  // Nearly every commit finds none.
  if (state.challenges.length === 0) return state;
  return { ...state, challenges: state.challenges.filter((challenge) => !isOver(challenge)) };
}

/** Ends the challenges of an issuance, which are answered no longer. */
export const endChallenges = (state: BusState, issuanceId: string): BusState =>
  withoutChallenges(state, (challenge) => challenge.issuanceId === issuanceId);

function evolveEvent(state: BusState, event: BusEvent, { position, at }: Pick<Commit, 'position' | 'at'>): BusState {
  switch (event.type) {
    case 'RecipientsUpdated':
      return { ...state, recipients: event.recipients, recipientsPosition: position };
    case 'ConfigUpdated':
      return { ...state, config: { sealed: event.sealed, position } };
    case 'AccountRegistered': {
      const { type: _, ...account } = event;
      return isForeign(state, account) ? state : putAccount(state, account, position);
    }
    case 'AccountKeyRolledOver':
      return rollOver(state, event, position);
    case 'AccountKeyRollOverStarted': {
      const { type: _, ...next } = event;
      // The same key sealed again, as where managers change, is as old as it was.
      const known = state.nextAccountKeys.find(
        ({ directory, thumbprint }) => directory === next.directory && thumbprint === next.thumbprint,
      );
      const placed = { ...next, ...placeOf(next, known, position) };
      return { ...state, nextAccountKeys: withDirectory(state.nextAccountKeys, placed) };
    }
    case 'AccountKeyRollOverAbandoned': {
      const isKept = ({ directory, thumbprint }: NextAccountKey) =>
        directory !== event.directory || thumbprint !== event.thumbprint;
      return { ...state, nextAccountKeys: state.nextAccountKeys.filter(isKept) };
    }
    case 'AccountDeactivated':
      return closeAccount(state, event);
    case 'ChallengePresented': {
      const { type: _, ...challenge } = event;
      return { ...state, challenges: withChallenge(state.challenges, challenge) };
    }
    case 'CertificateObtained':
    case 'IssuanceFailed':
      return endChallenges(state, event.issuanceId);
    case 'RangeArchived': {
      const { first, last, hash } = event;
      // Two managers may have archived one range at the same time.
      const isNext = first === (state.archived?.position ?? 0) + 1;
      return isNext ? { ...state, archived: { position: last, hash } } : state;
    }
    case 'SnapshotTaken': {
      const { type: _, ...snapshot } = event;
      return { ...state, snapshots: [...state.snapshots, snapshot].slice(-MAX_SNAPSHOTS) };
    }
    case 'CampaignStarted':
      return { ...state, campaigns: withCampaign(state.campaigns, event, { position, at }) };
    case 'CampaignEnded':
      return { ...state, campaigns: withoutCampaign(state.campaigns, event, at) };
    case 'IssuanceStarted':
      if (event.campaignId === undefined) return state;
      return { ...state, campaigns: withCampaignOrder(state.campaigns, event.campaignId, at) };
    case 'AlertRaised':
      return raiseAlert(state, event);
    case 'AlertCleared':
      return clearAlert(state, event);
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
  // The instant of a commit is what its writer says, too.
  const isTrusted = events.every(({ distrusted }) => !distrusted);
  let next: BusState = isTrusted ? { ...withoutChallenges(state, isLapsed), newestAt: at.toISOString() } : state;
  for (const { type, event, unknown, broken, distrusted } of events) {
    // Certificates and issuers count all the same, and are not part of this state.
    if (distrusted) continue;
    if (event) next = evolveEvent(next, event, { position, at });
    if (broken !== undefined)
      next = { ...next, voided: [...next.voided, { type, position, rule: broken }].slice(-MAX_VOIDED) };
    const noted = withUnknown(next.unknown, unknown);
    if (noted !== next.unknown) next = { ...next, unknown: noted };
  }
  return next;
}
