/** Time as solvers see it, so that tests wait without waiting. */
import { sleep } from './dns/sleep.ts';

/** A clock that can be waited by. */
export interface Clock {
  now(): Date;
  /** Rejects with the signal's reason. */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Real time, which does not jump when this machine's clock is set. */
export const realClock: Clock = {
  now: () => new Date(performance.timeOrigin + performance.now()),
  sleep: (ms, { signal }) => sleep(ms, signal),
};
