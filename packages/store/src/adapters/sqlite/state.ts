/** The state of a bus file on the disk, as the file system shows it. */
import { type BigIntStats, statSync } from 'node:fs';
import { changedMeanwhile } from './errors.ts';

/** File systems count the time of a change in steps, of two seconds at most. */
const TICK_MS = 3_000;

function look(path: string): BigIntStats | undefined {
  try {
    return statSync(path, { bigint: true, throwIfNoEntry: false });
  } catch {
    // A folder on the path cannot be entered, or is not a folder: SQLite reports which when it opens the file.
    return undefined;
  }
}

/** Which file is at a path: its device and inode; `undefined` when there is none. */
export function fileAt(path: string): string | undefined {
  const found = look(path);
  return found && `${found.dev}:${found.ino}`;
}

/** Whether a file is at a path, not a folder. */
export function isFile(path: string): boolean {
  return look(path)?.isFile() ?? false;
}

/** Differs after a write to a database file or its write-ahead log, unless both fall into one tick of the file system. */
export function stateOf(path: string): string {
  const found = look(path);
  const logged = look(`${path}-wal`)?.size ?? 0n;
  return `${found?.dev}:${found?.ino}:${found?.size}:${found?.ctimeNs}:${logged}`;
}

/** Whether a file's last write is so long ago that the next one cannot fall into the same tick. */
export function isPastTick(path: string): boolean {
  const found = look(path);
  return found !== undefined && Date.now() - Number(found.ctimeMs) > TICK_MS;
}

/** Whether the journal of a file holds something that is not in the file yet, or that must be undone in it. */
export function hasJournal(path: string): boolean {
  return ['-wal', '-journal'].some((companion) => (look(path + companion)?.size ?? 0n) > 0n);
}

/** Runs a query that no lock protects: what it throws counts only when the file's state is the same after it. */
export function unlessChanged<T>(path: string, state: string, query: () => T): T {
  try {
    return query();
  } catch (error) {
    throw stateOf(path) === state ? error : changedMeanwhile();
  }
}
