/** A limit as CAs publish them: so many at once, and one more each `refillMs`. */
export interface Rate {
  readonly capacity: number;
  readonly refillMs: number;
}

/** A place in a bucket's queue. */
export interface Reservation {
  /** How long to wait before using it; 0 for at once. */
  readonly waitMs: number;
  /** Gives it back, unused. */
  cancel(): void;
}

/** A token bucket that is reserved ahead: whoever comes first goes first, and nobody has to ask twice. */
export interface TokenBucket {
  /** Takes the next place. */
  reserve(now: Date): Reservation;
  /** When one token will be there, without taking it. */
  readyAt(now: Date): Date;
  /** Lets nobody through before an instant, nor fills up until then. Later instants win. */
  pause(until: Date, now: Date): void;
  /** Whether nothing is taken, so that the bucket can be forgotten. */
  isFull(now: Date): boolean;
}

/** Creates a full bucket. */
export function createTokenBucket({ capacity, refillMs }: Rate): TokenBucket {
  // Below zero by as many tokens as wait for their turn.
  let tokens = capacity;
  let filledAt = Number.NEGATIVE_INFINITY;

  function fill(now: number): void {
    if (now <= filledAt) return;
    tokens = Math.min(capacity, tokens + (now - filledAt) / refillMs);
    filledAt = now;
  }

  /** Wait for a level, counted from now. */
  function waitMs(level: number, now: number): number {
    return Math.max(0, filledAt - now) + Math.ceil(Math.max(0, 1 - level) * refillMs);
  }

  return {
    reserve(now) {
      const at = now.getTime();
      fill(at);
      const wait = waitMs(tokens, at);
      tokens -= 1;
      let isUsed = false;
      return {
        waitMs: wait,
        cancel() {
          if (isUsed) return;
          isUsed = true;
          tokens = Math.min(capacity, tokens + 1);
        },
      };
    },
    readyAt(now) {
      fill(now.getTime());
      return new Date(now.getTime() + waitMs(tokens, now.getTime()));
    },
    pause(until, now) {
      fill(now.getTime());
      filledAt = Math.max(filledAt, until.getTime());
    },
    isFull(now) {
      fill(now.getTime());
      return tokens >= capacity && filledAt <= now.getTime();
    },
  };
}
