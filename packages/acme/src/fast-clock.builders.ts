import { setTimeout as wait } from 'node:timers/promises';
import type { Sleep } from './adapters/solvers/route53/waiting.ts';

/** A clock that runs faster than the world's. */
export interface FastClock {
  now(): Date;
  readonly sleep: Sleep;
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
