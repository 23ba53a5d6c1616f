import type { Manager } from './bus-events.ts';
import { type Commit, decodeCommit, isCommitSignedBy } from './codec.ts';
import { EventsError, type EventsErrorCode, HistoryError } from './errors.ts';
import { keyIdOf } from './keys.ts';
import { isSignedByRoot } from './root-event.ts';
import type { Trust } from './trust.ts';

/** What must be known of a bus's past to verify what comes next. Plain JSON; a replica keeps it beside its state. */
export interface Checkpoint {
  /** Position of the last verified commit; 0 before the first. */
  readonly position: number;
  /** Hash of that commit; `null` before the first. */
  readonly hash: string | null;
  /** Sequence of the last root event. */
  readonly rootSequence: number;
  /** Who may sign from here on. Before the first commit only the root may, which may always. */
  readonly managers: readonly Manager[];
}

/** Before the first commit. */
export const BEGINNING: Checkpoint = { position: 0, hash: null, rootSequence: 0, managers: [] };

/** What verifying a run of commits gave. */
export interface VerifiedCommits {
  /** The commits that are proved, in order; those behind a refused one are left out. */
  readonly commits: readonly Commit[];
  /** Where the proved ones end. */
  readonly checkpoint: Checkpoint;
  /** Why the commit behind {@link checkpoint} was refused, where one was. */
  readonly refused?: HistoryError;
}

interface Linked {
  readonly commit: Commit;
  readonly bytes: Uint8Array;
}

function refuse(code: EventsErrorCode, position: number, why: string): HistoryError {
  return new HistoryError(code, position, why);
}

/** Decodes one commit and holds it against its place: bus, position and the hash of the one before. */
function link(trust: Trust, before: Checkpoint, position: number, bytes: Uint8Array): Linked {
  let commit: Commit;
  try {
    commit = decodeCommit(bytes);
  } catch (cause) {
    if (!(cause instanceof EventsError)) throw cause;
    throw new HistoryError(cause.code, position, cause.message, { cause });
  }
  if (commit.bus !== trust.busId) throw refuse('CERTBUS_EVENTS_OTHER_BUS', position, 'it was written for another bus');
  if (commit.position !== before.position + 1 || position !== commit.position) {
    throw refuse(
      'CERTBUS_EVENTS_POSITION_WRONG',
      position,
      `it was signed for position ${commit.position} and stands where ${before.position + 1} belongs`,
    );
  }
  if (commit.previous !== before.hash) {
    throw refuse('CERTBUS_EVENTS_HISTORY_FORKED', position, 'it does not continue the commit before it');
  }
  return { commit, bytes };
}

/** Applies the root events of a commit to what is in force. */
function advance(trust: Trust, before: Checkpoint, commit: Commit): Checkpoint {
  let { rootSequence, managers } = before;
  if (commit.position === 1 && commit.events[0]?.type !== 'BusCreated') {
    throw refuse('CERTBUS_EVENTS_OTHER_BUS', 1, 'a bus begins with BusCreated');
  }
  for (const { event, root } of commit.events) {
    if (
      event?.type === 'BusCreated' &&
      (commit.position !== 1 || event.busId !== trust.busId || event.rootKey !== trust.rootKey)
    ) {
      throw refuse('CERTBUS_EVENTS_OTHER_BUS', commit.position, 'its BusCreated is not that of the trusted bus');
    }
    if (!root) continue;
    if (root.rootSequence !== rootSequence + 1) {
      const why = `its root event has sequence ${root.rootSequence} where ${rootSequence + 1} is due`;
      throw refuse('CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG', commit.position, why);
    }
    if (!isSignedByRoot(trust, root)) {
      throw refuse(
        'CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID',
        commit.position,
        `its ${root.type} is not signed by the root`,
      );
    }
    rootSequence += 1;
    if (event?.type === 'ManagersUpdated') managers = event.managers;
  }
  return { position: commit.position, hash: commit.hash, rootSequence, managers };
}

/** Throws unless a key that is in force at `before` signed the commit. */
function checkSignature(trust: Trust, before: Checkpoint, { commit, bytes }: Linked): void {
  const signers = [{ name: 'root', signingKey: trust.rootKey }, ...before.managers];
  const signer = signers.find(({ signingKey }) => keyIdOf(signingKey) === commit.keyId);
  if (!signer || signer.name !== commit.by) {
    const why = `its signer "${commit.by.slice(0, 80)}" (key ${commit.keyId}) is not a manager in force`;
    throw refuse('CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE', commit.position, why);
  }
  if (!isCommitSignedBy(signer.signingKey, bytes)) {
    throw refuse('CERTBUS_EVENTS_SIGNATURE_INVALID', commit.position, 'its signature does not match its bytes');
  }
}

const changesKeys = (commit: Commit): boolean => commit.events.some(({ root }) => root !== undefined);

/** Verifies a segment: every commit linked, the last one signed. Where the last is not, finds how far it holds. */
function verifySegment(trust: Trust, start: Checkpoint, segment: readonly Linked[]): VerifiedCommits {
  let refused: HistoryError | undefined;
  for (let length = segment.length; length > 0; length -= 1) {
    const part = segment.slice(0, length);
    try {
      checkSignature(trust, start, part[length - 1] as Linked);
      const commits = part.map(({ commit }) => commit);
      const checkpoint = commits.reduce((before, commit) => advance(trust, before, commit), start);
      return refused ? { commits, checkpoint, refused } : { commits, checkpoint };
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      refused = error;
    }
  }
  return refused ? { commits: [], checkpoint: start, refused } : { commits: [], checkpoint: start };
}

/**
 * Verifies stored commits that follow `start`.
 *
 * Every commit is linked to the one before it by hash, and one signature a segment is checked: a segment ends at the end of
 * `stored` and at every commit that carries a root event, and its last signature must be by a key in force before the
 * segment. With `everySignature` each commit is a segment. What is refused is returned, not thrown, with all that was
 * proved before it.
 */
export function verifyCommits(
  trust: Trust,
  start: Checkpoint,
  stored: readonly { readonly position: number; readonly bytes: Uint8Array }[],
  { everySignature = false }: { readonly everySignature?: boolean } = {},
): VerifiedCommits {
  const commits: Commit[] = [];
  let checkpoint = start;
  let segment: Linked[] = [];
  let linkedTo = start;
  let broken: HistoryError | undefined;
  const close = (): HistoryError | undefined => {
    const verified = verifySegment(trust, checkpoint, segment);
    for (const commit of verified.commits) commits.push(commit);
    checkpoint = verified.checkpoint;
    segment = [];
    return verified.refused;
  };
  for (const { position, bytes } of stored) {
    try {
      const linked = link(trust, linkedTo, position, bytes);
      segment.push(linked);
      linkedTo = { ...linkedTo, position, hash: linked.commit.hash };
      broken = everySignature || changesKeys(linked.commit) ? close() : undefined;
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      broken = error;
    }
    if (broken) break;
  }
  const refused = close() ?? broken;
  return refused ? { commits, checkpoint, refused } : { commits, checkpoint };
}
