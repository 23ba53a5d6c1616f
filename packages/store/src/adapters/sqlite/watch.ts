/** Waits until a SQLite file is written: woken by the file system, and looking by itself now and then. */
import { type FSWatcher, type Stats, statSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';

/** How long to wait for a write. */
export interface WriteWait {
  readonly withinMs: number;
  readonly signal: AbortSignal;
}

/** Between two looks at a file of which nothing is reported: some file systems report nothing at all. */
const QUIET_MS = 1_000;
const SOONEST_MS = 1;

function statOf(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch {
    // A folder on the path is away or closed to this user: the next read of the file shows which.
    return undefined;
  }
}

/** Watches one file. Nothing where there is none, or where this machine has no more watches: then looking is all there is. */
function watchFile(path: string, onWrite: () => void): FSWatcher[] {
  const options = { persistent: false };
  try {
    // Elsewhere a watch on a file opens it, and its end would release each lock that SQLite has on that file in this process.
    const watcher =
      process.platform === 'linux'
        ? watch(path, options, onWrite)
        : watch(dirname(path), options, (_, name) => {
            if (name === basename(path)) onWrite();
          });
    return [watcher.on('error', () => watcher.close())];
  } catch {
    return [];
  }
}

/** Milliseconds since the last write to any of some files, as the file system has it. */
function sinceLastWrite(files: readonly string[]): number {
  const written = Math.max(0, ...files.map((file) => statOf(file)?.mtimeMs ?? 0));
  // Where the clock was set back since, the write is in the future, and no more recent for that.
  return Math.abs(Date.now() - written);
}

/** Watches files, for pauses that end with the next write. */
function watchFiles(files: readonly string[]) {
  let wake = () => {};
  let writtenAt = performance.now() - sinceLastWrite(files);
  const watchers = files.flatMap((file) =>
    watchFile(file, () => {
      writtenAt = performance.now();
      wake();
    }),
  );
  return {
    sinceWrite: () => performance.now() - writtenAt,
    /** Resolves after `ms`, sooner at a write; rejects with the signal's reason. */
    pause: (ms: number, signal: AbortSignal) =>
      new Promise<void>((resolve, reject) => {
        signal.throwIfAborted();
        const end = (settle: () => void) => {
          clearTimeout(timer);
          signal.removeEventListener('abort', stop);
          settle();
        };
        const stop = () => end(() => reject(signal.reason));
        wake = () => end(resolve);
        const timer = setTimeout(wake, ms);
        signal.addEventListener('abort', stop, { once: true });
      }),
    close() {
      for (const watcher of watchers) watcher.close();
    },
  };
}

/**
 * Resolves once `isWritten` is true, which it asks at once, at each write that the file system reports, and each second; at the latest
 * after `withinMs`. Rejects with the signal's reason, and with what `isWritten` throws.
 *
 * It watches the file and its write-ahead log: nothing else in their folder makes it look.
 */
export async function whenWritten(
  path: string,
  isWritten: () => boolean,
  { withinMs, signal }: WriteWait,
): Promise<void> {
  const files = watchFiles([path, `${path}-wal`]);
  const endsAt = performance.now() + withinMs;
  try {
    for (;;) {
      // The first byte of a commit is reported. Readers see it once it was flushed, which is not reported: so the looks go on, at pauses
      // of a quarter of the time since.
      const pause = Math.min(QUIET_MS, Math.max(SOONEST_MS, files.sinceWrite() / 4));
      // While a rollback journal is there its writer may have the file locked, and a look would block this thread.
      const isLocked = pause < QUIET_MS && (statOf(`${path}-journal`)?.size ?? 0) > 0;
      if (!isLocked && isWritten()) return;
      const left = endsAt - performance.now();
      if (left <= 0) return;
      await files.pause(Math.min(pause, left), signal);
    }
  } finally {
    files.close();
  }
}
