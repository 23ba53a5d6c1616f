/** How long the lists in the state of a bus can get: anyone who has a manager's key can write to them, and every server reads them. */
import type { AlertKey, ChallengePresented } from '../event-types/bus-events.ts';
import { isKnown, vocabulary } from '../event-types/event-schema.ts';

type Challenge = Omit<ChallengePresented, 'type'>;

/** Directories of CAs that a bus has accounts at. What the ones after them write is not taken: it pushes out nothing that is there. */
export const MAX_DIRECTORIES = 100;
/** Accounts that wait to be deactivated. */
export const MAX_REPLACED = 100;
/** Challenges that are answered at a time, an hour at most each: those of 25 certificates with 100 names and two accounts. */
export const MAX_CHALLENGES = 5_000;
/** Alerts that are raised, or still to be told of: a manager raises one for many certificates that fail alike. */
export const MAX_ALERTS = 500;
/** Of unknown types, and of unknown fields: one of each kind decides as much as a thousand. */
const MAX_UNKNOWN = 50;
/** Longest list of unknown things: types, fields, and the mark that there are more. */
export const MAX_UNKNOWN_ALL: number = 2 * MAX_UNKNOWN + 1;

/** Stands for everything unknown that found no room, for a release with this one's vocabulary. */
const MORE = `*.${vocabulary}`;

const isField = (what: string): boolean => what.includes('.');

/**
 * Adds to what is unknown. Where that is too much, a mark names the vocabulary of this release instead: any other release may know what
 * was left out, and reads the bus again.
 */
export function withUnknown(known: readonly string[], met: readonly string[]): readonly string[] {
  let next = known;
  for (const what of met) {
    // No release has a type of these names, and they would pass for a mark, or for what this release knows.
    if (what.startsWith('*') || isKnown(what) || next.includes(what)) continue;
    const ofItsKind = next.filter((each) => each !== MORE && isField(each) === isField(what));
    const added = ofItsKind.length < MAX_UNKNOWN ? what : MORE;
    if (!next.includes(added)) next = [...next, added];
  }
  return next;
}

/** Adds an account that is to be deactivated: once, whatever keys it had. Those that wait longest stay. */
export function withReplaced<A extends { readonly accountUrl: string }>(
  replaced: readonly A[],
  account: A,
): readonly A[] {
  const others = replaced.filter(({ accountUrl }) => accountUrl !== account.accountUrl);
  return [...others, account].slice(0, MAX_REPLACED);
}

/** Puts what belongs to a directory in the place of what was there. A directory that is one too many is not taken. */
export function withDirectory<D extends { readonly directory: string }>(list: readonly D[], item: D): readonly D[] {
  const others = list.filter(({ directory }) => directory !== item.directory);
  return others.length < MAX_DIRECTORIES ? [...others, item] : list;
}

/** Whether two alerts are about the same. */
export const isSameAlert = (one: AlertKey, other: AlertKey): boolean =>
  one.alert === other.alert && one.subject === other.subject;

const isSame = (one: Challenge, other: Challenge): boolean =>
  one.token === other.token &&
  one.identifier === other.identifier &&
  one.issuanceId === other.issuanceId &&
  one.challengeType === other.challengeType &&
  one.thumbprint === other.thumbprint;

/** Adds a challenge, in the place of the same one that was announced before. The newest stay: a CA asks for those. */
export function withChallenge(challenges: readonly Challenge[], challenge: Challenge): readonly Challenge[] {
  return [...challenges.filter((each) => !isSame(each, challenge)), challenge].slice(-MAX_CHALLENGES);
}

/** Puts an alert in the place of the same one. One that is one too many is not taken: it pushes out nothing that is there. */
export function withAlert<A extends AlertKey>(alerts: readonly A[], alert: A): readonly A[] {
  const others = alerts.filter((each) => !isSameAlert(each, alert));
  return others.length < MAX_ALERTS ? [...others, alert] : alerts;
}
