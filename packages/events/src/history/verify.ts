/** Verifies stored commits: links, signatures, and who was allowed to sign. */
import { EventsError, type EventsErrorCode, HistoryError } from '../errors.ts';
import type { Manager, Recipient } from '../event-types/bus-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import { keyIdOf } from '../keys.ts';
import type { Trust } from '../trust.ts';
import { type Commit, decodeCommit, FORMAT, isCommitSignedBy, readEvent } from './codec.ts';
import { type Expulsion, includesExpulsion, judge } from './expulsion.ts';
import { isSignedByRoot, type PlacedRootEvent, type RootEnvelope } from './root-event.ts';

/** What must be known of a bus's past to verify what comes next. Plain JSON; a replica keeps it with its state. */
export interface Checkpoint {
  /** Position of the last verified commit; 0 before the first. */
  readonly position: number;
  /** Hash of that commit; `null` before the first. */
  readonly hash: string | null;
  /** The format of the next commit. */
  readonly format: number;
  /** Sequence of the last root event. */
  readonly rootSequence: number;
  /** Sequence of the last `BusRestored`, which tells one line of a restored bus from another; 0 before the first. */
  readonly restored: number;
  /** Who may sign from here on. Before the first commit only the root may, which may always. */
  readonly managers: readonly Manager[];
  /** Whom private keys are sealed to from here on. */
  readonly recipients: readonly Recipient[];
  /** Position of the commit that named them; 0 before. */
  readonly recipientsPosition: number;
  /**
   * Which managers were expelled. A reader that begins again MAY put in those that it met further on: what they make void is then void
   * from the start, and the history is refused that does not have them.
   */
  readonly expelled: readonly Expulsion[];
}

/** Before the first commit. */
export const BEGINNING: Checkpoint = {
  position: 0,
  hash: null,
  format: 1,
  rootSequence: 0,
  restored: 0,
  managers: [],
  recipients: [],
  recipientsPosition: 0,
  expelled: [],
};

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

interface RootRead {
  readonly event: BusEvent | undefined;
  readonly root: RootEnvelope;
}

function refuse(code: EventsErrorCode, position: number, why: string): HistoryError {
  return new HistoryError(code, position, why);
}

/** Decodes one commit and compares it with its place: bus, position and the hash of the one before. */
function link(trust: Trust, before: Checkpoint, position: number, bytes: Uint8Array): Linked {
  let commit: Commit;
  try {
    commit = decodeCommit(bytes);
  } catch (cause) {
    if (!(cause instanceof EventsError)) throw cause;
    const isForged = cause.code === 'CERTBUS_EVENTS_FORMAT_UNKNOWN' && before.format <= FORMAT;
    const code = isForged ? 'CERTBUS_EVENTS_FORMAT_WRONG' : cause.code;
    throw new HistoryError(code, position, isForged ? 'the root did not raise the format to its' : cause.message, {
      cause,
    });
  }
  if (commit.format !== before.format) {
    const why = `it has format ${commit.format} where ${before.format} is in force`;
    throw refuse('CERTBUS_EVENTS_FORMAT_WRONG', position, why);
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

/** Without the managers that were expelled by the commit at a position or before it. */
function withoutExpelled(checkpoint: Checkpoint, position: number): Checkpoint {
  const expelled = checkpoint.expelled.filter((expulsion) => expulsion.position <= position);
  const managers = checkpoint.managers.filter(({ signingKey }) => expelled.every(({ key }) => key !== signingKey));
  return { ...checkpoint, managers };
}

/** What a root event makes of what is in force. */
function applyRootEvent(before: Checkpoint, { event, root }: RootRead, position: number): Checkpoint {
  const { rootSequence } = root;
  const next = { ...before, rootSequence };
  switch (event?.type) {
    case 'RecipientsUpdated':
      return { ...next, recipients: event.recipients, recipientsPosition: position };
    case 'ManagersUpdated':
      return withoutExpelled({ ...next, managers: event.managers }, position);
    case 'ManagerExpelled': {
      const { manager, key, since } = event;
      const expulsion = { manager, key, since, position, sequence: rootSequence };
      const isKnown = includesExpulsion(next.expelled, expulsion);
      return withoutExpelled(isKnown ? next : { ...next, expelled: [...next.expelled, expulsion] }, position);
    }
    case 'FormatRaised':
      return { ...next, format: event.format };
    case 'BusRestored':
      return { ...next, restored: rootSequence };
    default:
      return next;
  }
}

/** Throws unless the root signed this event for this place in its sequence. */
function checkRootEvent(trust: Trust, before: Checkpoint, { event, root }: RootRead, position: number): void {
  const isRestore = event?.type === 'BusRestored';
  const due = before.rootSequence + 1;
  if (isRestore ? root.rootSequence < due : root.rootSequence !== due) {
    const why = `its root event has sequence ${root.rootSequence} where ${due} is due`;
    throw refuse('CERTBUS_EVENTS_ROOT_SEQUENCE_WRONG', position, why);
  }
  if (!isSignedByRoot(trust, root)) {
    throw refuse('CERTBUS_EVENTS_ROOT_SIGNATURE_INVALID', position, `its ${root.type} is not signed by the root`);
  }
  if (event?.type === 'FormatRaised' && event.format <= before.format) {
    throw refuse(
      'CERTBUS_EVENTS_FORMAT_WRONG',
      position,
      `it raises the format from ${before.format} to ${event.format}`,
    );
  }
}

/** Throws unless a commit has the expulsions that a reader met at its position before. */
function checkForeseen({ expelled }: Checkpoint, { position, events }: Commit): void {
  const isThere = ({ key, since, sequence }: Expulsion) =>
    events.some(
      ({ event }) =>
        event?.type === 'ManagerExpelled' &&
        event.key === key &&
        event.since === since &&
        event.rootSequence === sequence,
    );
  const missing = expelled.find((expulsion) => expulsion.position === position && !isThere(expulsion));
  if (!missing) return;
  const why = `the expulsion of "${missing.manager.slice(0, 80)}" was read there before, and it is there no longer`;
  throw refuse('CERTBUS_EVENTS_HISTORY_FORKED', position, why);
}

/** Applies the root events of a commit to what is in force. */
function advance(trust: Trust, before: Checkpoint, commit: Commit): Checkpoint {
  const { position, hash, previous, events } = commit;
  if (position === 1 && events[0]?.event?.type !== 'BusCreated') {
    throw refuse('CERTBUS_EVENTS_OTHER_BUS', 1, 'a bus begins with BusCreated');
  }
  checkForeseen(before, commit);
  let next = before;
  for (const { event, root } of events) {
    if (
      event?.type === 'BusCreated' &&
      (position !== 1 || event.busId !== trust.busId || event.rootKey !== trust.rootKey)
    ) {
      throw refuse('CERTBUS_EVENTS_OTHER_BUS', position, 'its BusCreated is not that of the trusted bus');
    }
    if (!root) continue;
    checkRootEvent(trust, next, { event, root }, position);
    if (event?.type === 'BusRestored' && (event.position !== position - 1 || event.hash !== previous)) {
      throw refuse(
        'CERTBUS_EVENTS_POSITION_WRONG',
        position,
        `its BusRestored belongs behind position ${event.position}`,
      );
    }
    next = applyRootEvent(next, { event, root }, position);
  }
  return { ...next, position, hash };
}

/**
 * What is in force behind a commit, known by the root events up to it: what a snapshot carries. Later ones are ignored.
 * Throws a {@link HistoryError} where one is not signed by the root, or one is missing between two.
 */
export function checkpointOf(
  trust: Trust,
  { position, hash }: { readonly position: number; readonly hash: string },
  rootEvents: readonly PlacedRootEvent[],
): Checkpoint {
  let checkpoint: Checkpoint = BEGINNING;
  let last = 1;
  for (const { position: at, root } of rootEvents) {
    if (at < last)
      throw refuse('CERTBUS_EVENTS_POSITION_WRONG', at, 'its root event comes after one of a later commit');
    last = at;
    if (at > position) continue;
    const { event } = readEvent(root);
    checkRootEvent(trust, checkpoint, { event, root }, position);
    checkpoint = applyRootEvent(checkpoint, { event, root }, at);
  }
  return { ...checkpoint, position, hash };
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

/** Verifies a segment: every commit linked, the last one signed. Where the last is not, finds how far it is good. */
function verifySegment(trust: Trust, start: Checkpoint, segment: readonly Linked[]): VerifiedCommits {
  let refused: HistoryError | undefined;
  for (let length = segment.length; length > 0; length -= 1) {
    const beginning = segment.slice(0, length);
    try {
      checkSignature(trust, start, beginning[length - 1] as Linked);
      const checkpoint = beginning.reduce((before, { commit }) => advance(trust, before, commit), start);
      const commits = beginning.map((linked) => judge(trust, start, linked));
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
      if (!everySignature && !changesKeys(linked.commit)) continue;
      broken = close();
      linkedTo = checkpoint;
    } catch (error) {
      if (!(error instanceof HistoryError)) throw error;
      broken = error;
    }
    if (broken) break;
  }
  const refused = close() ?? broken;
  return refused ? { commits, checkpoint, refused } : { commits, checkpoint };
}
