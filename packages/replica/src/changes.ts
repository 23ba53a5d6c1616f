/** Finds what changed in a replica that another process writes, a few certificates at a time. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { lineOf } from '@certbus/events/history';
import type { Change, ReplicaReader } from './reader.ts';

/** Changes that are read at once. */
const READ_TOGETHER = 50;
/** Changes that are reported at once: with more, a turn of the event loop would take too long. */
const MAX_TOGETHER = 25;
/** Changes since the last look that are reported one by one. */
const MAX_REPORTED = 10_000;

/** Hears what changed; each call in a turn of the event loop of its own. */
export interface ChangesListener {
  /**
   * The replica moved on. `changes`: those of what is served, in order, 25 at most. `reached`: the position of the bus up to which all of them were
   * reported with these; `undefined` where more follow.
   */
  moved(changes: readonly Change[], reached?: number): void;
  /** The replica is another one, at position `reached`: it was built again, or is complete for the first time. */
  rebuilt(reached: number): void;
}

/** Gives changes up to a position to a listener, a few in each turn of the event loop. */
export async function spread(
  changes: readonly Change[],
  { moved }: Pick<ChangesListener, 'moved'>,
  reached: number,
): Promise<void> {
  const report = (from: number) => {
    const isLast = from + MAX_TOGETHER >= changes.length;
    moved(changes.slice(from, from + MAX_TOGETHER), isLast ? reached : undefined);
  };
  report(0);
  for (let from = MAX_TOGETHER; from < changes.length; from += MAX_TOGETHER) {
    await nextTurn();
    report(from);
  }
}

/** What a look reads of. */
type Read = Pick<ReplicaReader, 'checkpoint' | 'changedSince' | 'isComplete' | 'countLost'>;

/** The next changes behind a position, and up to where they go. A position is read whole, so that it can be gone on from. */
function readTogether(replica: Read, after: number): { readonly changes: readonly Change[]; readonly upTo?: number } {
  const found = replica.changedSince(after, READ_TOGETHER);
  const [first, last] = [found[0], found.at(-1)];
  if (!first || !last || found.length < READ_TOGETHER) return { changes: found };
  if (first.position < last.position)
    return { changes: found.filter(({ position }) => position < last.position), upTo: last.position - 1 };
  return { changes: readPosition(replica, first.position), upTo: first.position };
}

/** All that changed last at one position. */
function readPosition(replica: Read, at: number): readonly Change[] {
  for (let limit = 4 * READ_TOGETHER; ; limit *= 4) {
    const found = replica.changedSince(at - 1, limit);
    const whole = found.filter(({ position }) => position === at);
    if (whole.length < found.length || found.length < limit) return whole;
  }
}

/** Reports what changes in a replica. */
export interface ChangeReader {
  /** Reports the changes since the last call, or since this was made. */
  report(listener: ChangesListener): Promise<void>;
  /**
   * Takes all changes up to a position as reported: this process has read them from the bus itself. `isInMemory`: some of them are not on the disk,
   * and another process may write them later; what is served goes on being as new meanwhile.
   */
  known(position: number, place: { readonly isInMemory: boolean }): void;
  /** Takes all that is there as reported: this process has made the replica again. */
  begin(): void;
}

/** Makes it; all that is there already counts as reported. */
export function createChangeReader(replica: Read): ChangeReader {
  const look = () => {
    const checkpoint = replica.checkpoint();
    return {
      position: checkpoint.position,
      line: lineOf(checkpoint),
      isComplete: replica.isComplete(),
      isSalvaged: replica.countLost() !== undefined,
    };
  };
  let seen = look();
  /** Up to where all changes were reported. */
  let reported = seen.position;

  /**
   * Whether the replica was begun again, or goes another way than the one that was seen, or is served from now on. One that lost rows of a damaged
   * file, or all of them, is another one only once it was read from the bus again.
   */
  function isAnother({ position, line, isComplete, isSalvaged }: typeof seen): boolean {
    if (isSalvaged || !isComplete) return false;
    return seen.isSalvaged || !seen.isComplete || position < seen.position || line !== seen.line;
  }

  return {
    async report(listener) {
      for (let count = 0; ; await nextTurn()) {
        const reached = look();
        if (isAnother(reached) || count >= MAX_REPORTED) {
          listener.rebuilt(reached.position);
          seen = reached;
          reported = reached.position;
          return;
        }
        const { changes, upTo } = reached.isComplete ? readTogether(replica, reported) : { changes: [] };
        // One that lost its own row is at 0: what was reported before is not reported again.
        const next = upTo ?? Math.max(reached.position, reported);
        // Before anything is noted: where it throws, it is reported again.
        await spread(changes, listener, next);
        seen = reached;
        reported = next;
        if (upTo === undefined) return;
        count += changes.length;
      }
    },
    known(position, { isInMemory }) {
      const reached = look();
      reported = reached.line === seen.line ? Math.max(reported, position) : position;
      seen = { ...reached, position: isInMemory ? 0 : position };
    },
    begin() {
      seen = look();
      reported = seen.position;
    },
  };
}
