/** What is left of what a manager wrote whose key was expelled. */
import type { Manager } from '../event-types/bus-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import { keyIdOf } from '../keys.ts';
import type { Trust } from '../trust.ts';
import type { Commit, ReadEvent } from './codec.ts';

/** A manager's key that the root does not trust from a position on. */
export interface Expulsion {
  /** The manager's name, for people. */
  readonly manager: string;
  /** Its Ed25519 public key, base64url. */
  readonly key: string;
  /** The first position that is not trusted. */
  readonly since: number;
  /** Position of the commit that expelled it. */
  readonly position: number;
  /** Sequence of the root event that expelled it. */
  readonly sequence: number;
}

/** What of a checkpoint says who was expelled. */
interface Expelled {
  readonly expelled: readonly Expulsion[];
}

/** Events of an expelled manager that count: a certificate proves itself where its key opens, an issuer by its hash. */
const KEPT: ReadonlySet<string> = new Set([
  'CertificateObtained',
  'CertificateImported',
  'IssuerAdded',
] satisfies BusEvent['type'][]);

const isSame = (one: Expulsion, other: Expulsion): boolean =>
  one.key === other.key && one.since === other.since && one.sequence === other.sequence;

/** Whether an expulsion is among others. */
export const includesExpulsion = (list: readonly Expulsion[], expulsion: Expulsion): boolean =>
  list.some((each) => isSame(each, expulsion));

/**
 * Whether a history that was read from `known` to `reached` met an expulsion that `known` does not include, and that makes a part void which
 * was read already. Then the state has to be made again, from a checkpoint before that part that includes the expulsions of `reached`.
 */
export function isRewritten(known: Expelled, reached: Expelled): boolean {
  return reached.expelled.some(
    (expulsion) => expulsion.since <= expulsion.position && !includesExpulsion(known.expelled, expulsion),
  );
}

/**
 * A number that differs between two states whose positions cannot be compared: the bus was restored to another line, or a part of its
 * history became void. It is the sequence of the root event that did so last; 0 before the first.
 */
export function lineOf({ restored, expelled }: Expelled & { readonly restored: number }): number {
  return Math.max(restored, ...expelled.map(({ sequence }) => sequence));
}

/** Whether a state at a position, made without an expulsion that came later, holds what that makes void. */
export function isTainted(position: number, expelled: readonly Expulsion[]): boolean {
  return expelled.some((expulsion) => expulsion.since <= position && position < expulsion.position);
}

function distrust({ type, event, root, ...read }: ReadEvent): ReadEvent {
  if (root) return { type, event, root, ...read };
  const isKept = event !== undefined && KEPT.has(type);
  return { type, event: isKept ? event : undefined, distrusted: true, unknown: [] };
}

/**
 * A commit as it counts, by the expulsions that are known where it is verified. Between the first position that is not trusted and the
 * expulsion a commit counts by its own signature alone: inside a segment only the links were verified, so that a thief could have written
 * one there in the name of another.
 */
export function judge(
  trust: Trust,
  { managers, expelled }: Expelled & { readonly managers: readonly Manager[] },
  { commit, isSignedBy }: { readonly commit: Commit; readonly isSignedBy: (publicKey: string) => boolean },
): Commit {
  const { position, keyId, events } = commit;
  const covering = expelled.filter(({ since, position: until }) => since <= position && position <= until);
  if (covering.length === 0) return commit;
  const trusted = [trust.rootKey, ...managers.map(({ signingKey }) => signingKey)].filter(
    (signingKey) => !covering.some(({ key }) => key === signingKey),
  );
  const isTrusted = trusted.some((key) => keyIdOf(key) === keyId && isSignedBy(key));
  return isTrusted ? commit : { ...commit, events: events.map(distrust) };
}
