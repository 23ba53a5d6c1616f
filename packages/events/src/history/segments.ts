/** Verifies stored commits before it parses them: signatures, who was allowed to sign, and links. */
import { EventsError, type EventsErrorCode, HistoryError } from '../errors.ts';
import type { Manager } from '../event-types/bus-events.ts';
import { keyIdOf } from '../keys.ts';
import type { Trust } from '../trust.ts';
import { type Commit, FORMAT } from './codec.ts';
import { judge } from './expulsion.ts';
import { type StoredBytes, type UnreadCommits, unreadCommits } from './unread-commits.ts';
import { advance, type Checkpoint } from './verify.ts';

/** What verifying a run of commits gave. */
export interface VerifiedCommits {
  /** The commits that are proved, in order; those behind a refused one are left out. */
  readonly commits: readonly Commit[];
  /** Where the proved ones end. */
  readonly checkpoint: Checkpoint;
  /** Why the commit behind {@link checkpoint} was refused, where one was. */
  readonly refused?: HistoryError;
  /** The same, for the next call; not with `everySignature`, which refuses more. */
  readonly refusal?: Refusal;
}

/** Commits that were refused behind a checkpoint, remembered by hash. */
export interface Refusal extends Pick<Checkpoint, 'position' | 'hash'> {
  /** Hash of each, in order, from the one that was refused on. */
  readonly hashes: readonly string[];
  readonly error: HistoryError;
}

export interface VerifyOptions {
  /** Check every commit's own signature instead of one a segment. Default false. */
  readonly everySignature?: boolean;
  /** What an earlier call refused; not used with `everySignature`. */
  readonly refusal?: Refusal | undefined;
}

/** Commits of which those from `from` on are to be proved, behind `start`. */
interface Unproved {
  readonly trust: Trust;
  readonly start: Checkpoint;
  readonly commits: UnreadCommits;
  readonly from: number;
  /** Who can sign at `start`, by the id of the key. */
  readonly signers: ReadonlyMap<string, Pick<Manager, 'name' | 'signingKey'>>;
}

/** A commit that is not proved, by its index, and why: none behind it is, either. */
interface Refused {
  readonly at: number;
  readonly error: HistoryError;
}

type Proved = Pick<VerifiedCommits, 'commits' | 'checkpoint'>;

interface Reason {
  readonly code: EventsErrorCode;
  readonly why: string;
  readonly cause?: unknown;
}

function signersAt({ rootKey }: Trust, { managers }: Checkpoint): Unproved['signers'] {
  const signers = [{ name: 'root', signingKey: rootKey }, ...managers];
  // Where two ids are the same, the first key counts.
  return new Map(signers.reverse().map((signer) => [keyIdOf(signer.signingKey), signer]));
}

/** The refusal of a commit by what `check` throws. */
function refusalOf(at: number, check: () => void): Refused | undefined {
  try {
    check();
    return undefined;
  } catch (error) {
    if (error instanceof HistoryError) return { at, error };
    throw error;
  }
}

/** A commit that cannot be read or is not signed by a key in force. One of a format that the root has announced is for a later release to judge. */
function refuseUnread({ commits, start }: Unproved, at: number, { code, why, cause }: Reason): HistoryError {
  const position = commits.position(at);
  if (start.format > FORMAT) {
    const upgrade = `the root raised the format to ${start.format} and this release reads up to ${FORMAT}; upgrade this program`;
    return new HistoryError('CERTBUS_EVENTS_FORMAT_UNKNOWN', position, upgrade, { cause });
  }
  if (code !== 'CERTBUS_EVENTS_FORMAT_UNKNOWN') return new HistoryError(code, position, why, { cause });
  return new HistoryError('CERTBUS_EVENTS_FORMAT_WRONG', position, 'the root did not raise the format to its', {
    cause,
  });
}

/** Reads something of a commit, and refuses the commit where that throws. */
function readAt<T>(unproved: Unproved, at: number, read: (commits: UnreadCommits) => T): T {
  try {
    return read(unproved.commits);
  } catch (cause) {
    if (!(cause instanceof EventsError)) throw cause;
    throw refuseUnread(unproved, at, { code: cause.code, why: cause.message, cause });
  }
}

/** Throws unless a key in force signed the commit. Nothing of its payload is parsed for that. */
function checkSignature(unproved: Unproved, at: number): void {
  const { trust, signers } = unproved;
  const keyId = readAt(unproved, at, (commits) => commits.keyId(at));
  const signer = signers.get(keyId);
  if (!signer) {
    const bus = unproved.commits.claimedBus(at) ?? trust.busId;
    if (bus !== trust.busId)
      throw refuseUnread(unproved, at, { code: 'CERTBUS_EVENTS_OTHER_BUS', why: 'it was written for another bus' });
    const why = `its signer (key ${keyId}) is not a manager in force`;
    throw refuseUnread(unproved, at, { code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', why });
  }
  if (!unproved.commits.isSignedBy(at, signer.signingKey))
    throw refuseUnread(unproved, at, {
      code: 'CERTBUS_EVENTS_SIGNATURE_INVALID',
      why: 'its signature does not match its bytes',
    });
}

/** Throws unless the key that signed the commit is that of the manager whose name it has. */
function checkName({ commits, signers }: Unproved, at: number): void {
  const { by, keyId } = commits.commit(at);
  if (signers.get(keyId)?.name === by) return;
  const why = `its signer "${by.slice(0, 80)}" (key ${keyId}) is not a manager in force`;
  throw new HistoryError('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', commits.position(at), why);
}

/** Throws unless a genuine commit belongs where it is: on this bus, at this position, behind the commit before it. */
function checkPlace(unproved: Unproved, at: number): void {
  const { trust, start, commits, from } = unproved;
  const position = commits.position(at);
  const due = start.position + 1 + at - from;
  const commit = readAt(unproved, at, () => commits.commit(at));
  if (commit.bus !== trust.busId)
    throw new HistoryError('CERTBUS_EVENTS_OTHER_BUS', position, 'it was written for another bus');
  if (commit.position !== due || position !== due) {
    const why = `it was signed for position ${commit.position} and is where ${due} belongs`;
    throw new HistoryError('CERTBUS_EVENTS_POSITION_WRONG', position, why);
  }
  if (commit.previous !== (at === from ? start.hash : commits.hash(at - 1)))
    throw new HistoryError('CERTBUS_EVENTS_HISTORY_FORKED', position, 'it does not continue the commit before it');
}

/**
 * Finds the commit that keeps those up to `last` from being genuine, all of them. The signature of the last one is checked first, and
 * each of the others is parsed only once the hash in the one behind it shows that it is what a manager wrote.
 */
function findForged(unproved: Unproved, last: number): Refused | undefined {
  let forged = refusalOf(last, () => checkSignature(unproved, last));
  for (let at = last; at >= unproved.from && !forged; at -= 1) forged = refusalOf(at, () => checkPlace(unproved, at));
  return forged;
}

const changesKeys = (commit: Commit): boolean => commit.events.some(({ root }) => root !== undefined);

/** Proves the segment that begins the commits up to `last`: it ends there, or before at a commit that changes keys. */
function proveSegment(unproved: Unproved, last: number): Proved | Refused {
  const { trust, start, commits, from } = unproved;
  const forged = findForged(unproved, last);
  if (forged) return forged;
  let end = from;
  while (end < last && !changesKeys(commits.commit(end))) end += 1;
  const unsigned = refusalOf(end, () => {
    checkSignature(unproved, end);
    checkName(unproved, end);
  });
  if (unsigned) return unsigned;
  const proved: Commit[] = [];
  let checkpoint = start;
  for (let at = from; at <= end; at += 1) {
    const commit = commits.commit(at);
    const refused = refusalOf(at, () => {
      checkpoint = advance(trust, checkpoint, commit);
    });
    if (refused) return refused;
    proved.push(judge(trust, start, { commit, isSignedBy: (key) => commits.isSignedBy(at, key) }));
  }
  return { commits: proved, checkpoint };
}

/**
 * Proves a segment that is as long as can be, and ends before `to`. That it ends within the first `known` commits, which were refused
 * before as they are, is not tried.
 */
function proveNext(unproved: Unproved, to: number, known: number): Proved | Refused | undefined {
  let refused: Refused | undefined;
  for (let end = to; end > unproved.from + known; ) {
    const found = proveSegment(unproved, end - 1);
    if (!('error' in found)) return found;
    refused = found;
    end = found.at;
  }
  return refused;
}

/** How many commits are those that were refused before, behind the same checkpoint. */
function countKnown(refusal: Refusal | undefined, { position, hash }: Checkpoint, rest: UnreadCommits, from: number) {
  if (refusal?.position !== position || refusal.hash !== hash) return 0;
  const { hashes } = refusal;
  let known = 0;
  while (known < hashes.length && from + known < rest.length && hashes[known] === rest.hash(from + known)) known += 1;
  return known;
}

/**
 * Verifies stored commits that follow `start`.
 *
 * Nothing is parsed that is not proved: the signature of the last commit by a key in force is checked first, and the hashes from there
 * back to `start` show that the others are genuine. What is behind it is parsed only once a root event in what was proved puts its key in
 * force. A segment ends at the end of `stored` and at every commit that carries a root event, and its last signature must be by a key in
 * force before the segment. With `everySignature` each commit is a segment.
 *
 * What is refused is returned, not thrown, with all that was proved before it. `refusal` is that of an earlier call: where the same
 * bytes follow the same checkpoint, they are compared with it and not verified again.
 */
export function verifyCommits(
  trust: Trust,
  start: Checkpoint,
  stored: readonly StoredBytes[],
  { everySignature = false, refusal }: VerifyOptions = {},
): VerifiedCommits {
  const rest = unreadCommits(stored);
  const commits: Commit[] = [];
  let checkpoint = start;
  while (commits.length < rest.length) {
    const from = commits.length;
    const unproved = { trust, start: checkpoint, commits: rest, from, signers: signersAt(trust, checkpoint) };
    const known = everySignature ? 0 : countKnown(refusal, checkpoint, rest, from);
    const found = proveNext(unproved, everySignature ? from + 1 : rest.length, known);
    if (!found || 'error' in found) {
      // Where nothing behind what was refused before proves it, it still is.
      const refused = (known > 0 ? refusal?.error : undefined) ?? (found as Refused).error;
      if (everySignature) return { commits, checkpoint, refused };
      const hashes = Array.from({ length: rest.length - from }, (_, n) => rest.hash(from + n));
      const { position, hash } = checkpoint;
      return { commits, checkpoint, refused, refusal: { position, hash, hashes, error: refused } };
    }
    for (const commit of found.commits) commits.push(commit);
    ({ checkpoint } = found);
  }
  return { commits, checkpoint };
}
