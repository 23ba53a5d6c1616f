/** What all connections of a process to one CA share: its limits, and the breaker that stops asking while it is down. */
import { type Breaker, type BreakerOptions, type BreakerState, createBreaker } from './breaker.ts';
import { type CaLimits, limitsOf } from './limits.ts';
import { createRateLimiter, type RateLimiter } from './rate-limiter.ts';

declare const brand: unique symbol;

/**
 * Keeps the limits of one CA, and stops asking while the CA is down. Made by `createCaLimiter`; share one among all accounts and
 * connections at the CA.
 */
export interface CaLimiter {
  /** Whether the CA is asked: `open` while it counts as down, `half-open` when one request may look whether it is back. */
  breakerState(): BreakerState;
  /** With `open`: when it will be tried again. */
  openUntil(): Date | undefined;
  readonly [brand]: never;
}

/** How a CA is limited. */
export interface CaLimiterOptions {
  /** Default: the published limits of the CA, generous ones where none are known. */
  readonly limits?: CaLimits;
  /** Part of the requests that this process may make, from 0 to 1, where others work from the same address. Default 1. */
  readonly requestShare?: number;
  readonly breaker?: BreakerOptions;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

/** What an engine uses of a `CaLimiter`. */
export interface CaGuards {
  readonly limiter: RateLimiter;
  readonly breaker: Breaker;
}

const guards = new WeakMap<CaLimiter, CaGuards>();

/** Creates the limiter of a CA, by its directory, with nothing used up. */
export function createCaLimiter(
  directory: string,
  { limits = limitsOf(directory), requestShare = 1, breaker: options, now = () => new Date() }: CaLimiterOptions = {},
): CaLimiter {
  const breaker = createBreaker(directory, now, options);
  const handle = { breakerState: breaker.state, openUntil: breaker.openUntil } as CaLimiter;
  guards.set(handle, { limiter: createRateLimiter(limits, now, { requestShare }), breaker });
  return handle;
}

/** What is behind a `CaLimiter`. Throws `TypeError` for one that `createCaLimiter` did not make. */
export function guardsOf(handle: CaLimiter): CaGuards {
  const found = guards.get(handle);
  if (!found) throw new TypeError('The limiter was not made by createCaLimiter');
  return found;
}
