/** What all connections of a process to one CA share: its limits, and the breaker that stops asking while it is down. */
import { AcmeError } from '../errors.ts';
import { type Breaker, type BreakerOptions, type BreakerState, createBreaker, type Outage } from './breaker.ts';
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
  /** Why no new order can be made now: the CA is down, or it asked to be left alone. `undefined` where one can be. */
  outage(): Outage | undefined;
  /** Ends the pause of an outage: one request may look whether the CA is back. */
  lookAgain(): void;
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

/** The longest that an order waits for its turn: its claim keeps others out meanwhile. */
const LONGEST_WAIT_MS = 60_000;

/** A CA that answers 503 with a time to come back is not down, and takes no orders until then. */
function pauseOf(directory: string, limiter: RateLimiter, now: Date): Outage | undefined {
  const pause = limiter.orderPause();
  if (!pause || pause.until.getTime() - now.getTime() <= LONGEST_WAIT_MS) return undefined;
  const { since, until } = pause;
  const message = `The CA at ${directory} is busy and asked to be left alone until ${until.toISOString()} (HTTP 503).`;
  const error = new AcmeError('CERTBUS_ACME_BREAKER_OPEN', message, { notBefore: until });
  return { began: since, since, until, isAsked: true, error };
}

/** Creates the limiter of a CA, by its directory, with nothing used up. */
export function createCaLimiter(
  directory: string,
  { limits = limitsOf(directory), requestShare = 1, breaker: options, now = () => new Date() }: CaLimiterOptions = {},
): CaLimiter {
  const breaker = createBreaker(directory, now, options);
  const limiter = createRateLimiter(limits, now, { requestShare });
  const handle = {
    breakerState: breaker.state,
    openUntil: breaker.openUntil,
    outage: () => breaker.outage() ?? pauseOf(directory, limiter, now()),
    lookAgain() {
      breaker.lookAgain();
      limiter.resumeEndpoints();
    },
  } as CaLimiter;
  guards.set(handle, { limiter, breaker });
  return handle;
}

/** What is behind a `CaLimiter`. Throws `TypeError` for one that `createCaLimiter` did not make. */
export function guardsOf(handle: CaLimiter): CaGuards {
  const found = guards.get(handle);
  if (!found) throw new TypeError('The limiter was not made by createCaLimiter');
  return found;
}
