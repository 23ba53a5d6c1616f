/** Keeps the write-ahead log of a replica short. */
import type { DatabaseSync } from 'node:sqlite';

const EMPTY_AFTER_MS = 5_000;

/**
 * Takes the log into the file and empties it a few seconds after a write: SQLite alone keeps 16 MB of it, for however long nothing happens. While
 * somebody reads what the file was before, it is tried again.
 */
export function emptyLogWhenQuiet(database: DatabaseSync): { touch(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;

  function empty(): void {
    timer = undefined;
    try {
      // Nothing waits for a reader here: writes would wait with it.
      database.exec('PRAGMA busy_timeout = 0');
      const isBusy = database.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] !== 0;
      if (isBusy) touch();
    } catch {
      // A full disk, which the next write reports, or a transaction that is under way.
      touch();
    } finally {
      database.exec('PRAGMA busy_timeout = 5000');
    }
  }
  function touch(): void {
    timer ??= setTimeout(empty, EMPTY_AFTER_MS).unref();
  }
  return {
    touch,
    stop: () => clearTimeout(timer),
  };
}
