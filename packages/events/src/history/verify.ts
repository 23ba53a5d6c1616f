/** What is in force behind a commit of a bus, and what the commits behind it make of it. */
import { type EventsErrorCode, HistoryError } from '../errors.ts';
import type { Manager, Recipient } from '../event-types/bus-events.ts';
import type { BusEvent } from '../event-types/event-schema.ts';
import type { Trust } from '../trust.ts';
import { type Commit, readEvent } from './codec.ts';
import { type Expulsion, includesExpulsion } from './expulsion.ts';
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

interface RootRead {
  readonly event: BusEvent | undefined;
  readonly root: RootEnvelope;
}

function refuse(code: EventsErrorCode, position: number, why: string): HistoryError {
  return new HistoryError(code, position, why);
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

/** What is in force behind a commit that is proved. Throws a {@link HistoryError} where it has a root event that the root did not sign, or breaks a rule of a bus's beginning. */
export function advance(trust: Trust, before: Checkpoint, commit: Commit): Checkpoint {
  const { position, hash, previous, events, format } = commit;
  if (format !== before.format) {
    const why = `it has format ${format} where ${before.format} is in force`;
    throw refuse('CERTBUS_EVENTS_FORMAT_WRONG', position, why);
  }
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
        `its BusRestored belongs after position ${event.position}`,
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
