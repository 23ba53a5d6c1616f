/** A token bucket: so many at once, and one more each so often. */

/** A limit as CAs publish them: so many at once, and one more each `refillMs`. */
export interface Rate {
  readonly capacity: number;
  readonly refillMs: number;
}

/** A token bucket. */
export interface TokenBucket {
  /** Takes a token and gives 0, or takes none and gives the time until there is one, in ms. */
  take(now: Date): number;
  /** Takes a token also where there is none. */
  force(now: Date): void;
  /** The time until a token is there for a request with so many ahead, in ms. */
  waitMs(now: Date, ahead?: number): number;
  /** Gives no token before an instant, nor fills up until then. Later instants win. */
  pause(until: Date, now: Date): void;
  /** Ends a pause. */
  resume(now: Date): void;
  /** Whether nothing is taken, so that the bucket can be forgotten. */
  isFull(now: Date): boolean;
}

/** Creates a full bucket. */
export function createTokenBucket({ capacity, refillMs }: Rate): TokenBucket {
  let tokens = capacity;
  let filledAt = Number.NEGATIVE_INFINITY;
  let seenAt = Number.NEGATIVE_INFINITY;

  function fill(now: number): void {
    // Where the clock is put back, what was to come moves with it.
    if (now < seenAt) filledAt -= seenAt - now;
    seenAt = now;
    if (now <= filledAt) return;
    tokens = Math.min(capacity, tokens + (now - filledAt) / refillMs);
    filledAt = now;
  }

  function waitMs(now: Date, ahead = 0): number {
    fill(now.getTime());
    return Math.max(0, filledAt - now.getTime()) + Math.ceil(Math.max(0, ahead + 1 - tokens) * refillMs);
  }

  return {
    take(now) {
      const wait = waitMs(now);
      if (wait === 0) tokens -= 1;
      return wait;
    },
    force(now) {
      fill(now.getTime());
      tokens -= 1;
    },
    waitMs,
    pause(until, now) {
      fill(now.getTime());
      filledAt = Math.max(filledAt, until.getTime());
    },
    resume(now) {
      fill(now.getTime());
      filledAt = Math.min(filledAt, now.getTime());
    },
    isFull(now) {
      fill(now.getTime());
      return tokens >= capacity && filledAt <= now.getTime();
    },
  };
}
