/** The pause between two tries of a request. */

const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;

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
