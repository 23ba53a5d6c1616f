import { type Breaker, type BreakerOptions, createBreaker } from './breaker.ts';
import { createLimiter, type Limiter } from './limiter.ts';
import { type CaLimits, limitsOf } from './limits.ts';

/** What stands between this process and a CA: share one among all accounts and connections there. */
export interface Gate {
  readonly limiter: Limiter;
  readonly breaker: Breaker;
}

/** How a gate is set. */
export interface GateOptions {
  /** Default: the published limits of the CA, generous ones where none are known. */
  readonly limits?: CaLimits;
  /** Part of the requests that this process may make, from 0 to 1, where others work from the same address. Default 1. */
  readonly requestShare?: number;
  readonly breaker?: BreakerOptions;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** Creates the gate of a CA, by its directory. */
export function createGate(
  directory: string,
  { limits = limitsOf(directory), requestShare = 1, breaker, now = () => new Date() }: GateOptions = {},
): Gate {
  return { limiter: createLimiter(limits, now, { requestShare }), breaker: createBreaker(directory, now, breaker) };
}
