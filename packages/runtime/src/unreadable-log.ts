/** Stands for a log that could not be opened: each use of it fails for the reason that opening it failed for. */
import type { Log } from '@certbus/store';

/** A log on which everything rejects with this error. */
export function unreadableLog(error: unknown): Log {
  return {
    append: () => Promise.reject(error),
    read: () => Promise.reject(error),
    close: async () => {},
  };
}
