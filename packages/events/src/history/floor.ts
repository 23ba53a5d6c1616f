/** The floor of a trust file: whether a history that was proved reaches it. */
import { HistoryError } from '../errors.ts';
import type { Floor, Trust } from '../trust.ts';
import type { Commit } from './codec.ts';
import type { Checkpoint } from './verify.ts';

/** What was read and proved behind a checkpoint. */
export interface ProvedPart {
  readonly commits: readonly Commit[];
  readonly checkpoint: Checkpoint;
}

const CODE = 'CERTBUS_EVENTS_BELOW_FLOOR';
const REMEDY =
  'No program starts from it. Find out who can write to the store; "certbus bus repair --from EXPORT" puts back what is missing. If you put the store back to an earlier state yourself, "certbus bus restored" records that with the root key.';

/** The floor at a commit that was proved. Throws a `TypeError` before the first. */
export function floorAt({ position, hash, rootSequence }: Checkpoint): Floor {
  if (hash === null) throw new TypeError('an empty bus has no floor');
  return { position, hash, rootSequence };
}

/**
 * Whether a history that was proved up to `checkpoint` ends below the floor of the trust file. One that the root has restored since, with a
 * higher sequence, has left the floor behind.
 */
export function isBelowFloor(
  { floor }: Trust,
  { position, rootSequence, restored }: Pick<Checkpoint, 'position' | 'rootSequence' | 'restored'>,
): boolean {
  if (!floor || restored > floor.rootSequence) return false;
  return position < floor.position || rootSequence < floor.rootSequence;
}

/** The refusal of a history that ends at `position`, below the floor. */
export function belowFloor({ floor }: Trust, { position }: Pick<Checkpoint, 'position'>): HistoryError {
  const where = position === 0 ? 'the bus is empty' : 'the bus ends here';
  const why = `${where}, but it went on to position ${floor?.position} at least, as the trust file (bus.pub) or the checkpoint says: it was cut off or put back. ${REMEDY}`;
  return new HistoryError(CODE, Math.max(position, 1), why);
}

/** The refusal of a history that has another commit, or none, where the floor is. */
export function otherThanFloor({ position, hash }: Floor): HistoryError {
  const why = `it is not the commit with the hash ${hash} that the trust file (bus.pub) has for this position: the history was overwritten, or bus.pub is that of another line. ${REMEDY}`;
  return new HistoryError(CODE, position, why);
}

function tooFewRootEvents({ position, rootSequence }: Floor, found: number): HistoryError {
  const why = `the root's events up to here end with sequence ${found}, but the trust file (bus.pub) or the checkpoint has ${rootSequence}: changes of keys are missing. ${REMEDY}`;
  return new HistoryError(CODE, position, why);
}

/** Sequence of the last root event up to a position. */
function sequenceAt(position: number, from: Checkpoint, commits: readonly Commit[]): number {
  const sequences = commits
    .filter((commit) => commit.position <= position)
    .flatMap(({ events }) => events.flatMap(({ root }) => root?.rootSequence ?? []));
  return sequences.at(-1) ?? from.rootSequence;
}

/**
 * Why what was proved behind `from` contradicts the floor of the trust file: another commit is where the floor is, or changes of keys are
 * missing there. `undefined` where it does not, and where it ends below the floor: more may follow.
 */
export function contradictionOfFloor(
  { floor }: Trust,
  from: Checkpoint,
  { commits, checkpoint }: ProvedPart,
): HistoryError | undefined {
  if (!floor || checkpoint.restored > floor.rootSequence || checkpoint.position < floor.position) return undefined;
  const at = from.position === floor.position ? from : commits[floor.position - from.position - 1];
  if (at && at.hash !== floor.hash) return otherThanFloor(floor);
  const found = sequenceAt(floor.position, from, commits);
  return found < floor.rootSequence ? tooFewRootEvents(floor, found) : undefined;
}
