/** A clock for what is asked at every handshake. */

const TICK_MS = 1_000;

/**
 * The time, milliseconds since 1970, at most a second late, until `signal` ends: asking the system takes longer than finding a context by its name.
 */
export function startCoarseClock(signal: AbortSignal): () => number {
  let nowMs = Date.now();
  const timer = setInterval(() => {
    nowMs = Date.now();
  }, TICK_MS).unref();
  signal.addEventListener('abort', () => clearInterval(timer), { once: true });
  return () => nowMs;
}
