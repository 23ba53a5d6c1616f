/** A clock that runs faster than the real one. */
import { setTimeout as wait } from 'node:timers/promises';

/** A clock that runs faster than the world's. */
export interface FastClock {
  now(): Date;
  /** Rejects with the signal's reason. */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Starts a clock on which `factor` seconds pass in one. */
export function startFastClock(factor: number): FastClock {
  const start = Date.now();
  const from = performance.now();
  return {
    now: () => new Date(start + (performance.now() - from) * factor),
    async sleep(ms, { signal }) {
      try {
        await wait(ms / factor, undefined, { signal });
      } catch (error) {
        signal.throwIfAborted();
        throw error;
      }
    },
  };
}
