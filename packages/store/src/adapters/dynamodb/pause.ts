/** The pause between two tries of a request, and how long some of them go on. */

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;
/** How long a new table, and then its backups, may take to be ready. */
export const READY_DEADLINE_MS = 120_000;
/** For {@link pause}, while the service prepares something: up to 1.6 s. */
export const PREPARING = 5;

/** Waits before try `attempt + 1`: a random share of 50 ms doubled per try, at most 5 s. Rejects with the signal's reason. */
export function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}
