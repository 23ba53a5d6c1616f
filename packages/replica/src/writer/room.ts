/** Says to the other processes on a replica that the one which writes it has no room on the disk: a note in the replica could not be written. */
import { statSync, utimesSync } from 'node:fs';

/** When the file of the lock was changed, as it says then. To set that takes no room. */
const SHORT = new Date(1_000);

/** Says whether there is room, of a replica whose lock this process holds. Where that cannot be set, the others serve what is on the disk. */
export function noteRoom(path: string, { hasRoom }: { readonly hasRoom: boolean }): void {
  const at = hasRoom ? new Date() : SHORT;
  try {
    utimesSync(`${path}.lock`, at, at);
  } catch {
    // A disk that is read-only: then every process finds out by itself.
  }
}

/** Whether the process that writes a replica keeps what comes in memory, since its disk has no room. */
export const isShortOfRoom = (path: string): boolean =>
  statSync(`${path}.lock`, { throwIfNoEntry: false })?.mtimeMs === SHORT.getTime();
