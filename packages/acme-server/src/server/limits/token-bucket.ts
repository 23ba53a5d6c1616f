/** Token buckets by key, as Boulder counts them. */

/** How much is allowed: `capacity` at once, refilled evenly over `periodMs`. */
export interface Bucket {
  readonly capacity: number;
  readonly periodMs: number;
}

/** Buckets of one kind, by key. */
export interface TokenBuckets {
  /** How long to wait until one token is there, milliseconds; 0 where there is one. */
  waitMs(key: string, now: Date): number;
  /** Takes a token, also where there is none, and says how many are left. */
  spend(key: string, now: Date): number;
  /** Fills a bucket. */
  reset(key: string): void;
}

/** Counts tokens as Boulder does, by the time at which a bucket would be full again (GCRA). */
export function createTokenBuckets({ capacity, periodMs }: Bucket): TokenBuckets {
  const fullAt = new Map<string, number>();
  const intervalMs = periodMs / capacity;
  const missingMs = (key: string, now: Date) => Math.max(0, (fullAt.get(key) ?? 0) - now.getTime());
  return {
    waitMs: (key, now) => Math.max(0, missingMs(key, now) + intervalMs - periodMs),
    spend(key, now) {
      const missing = missingMs(key, now) + intervalMs;
      fullAt.set(key, now.getTime() + missing);
      return Math.floor((periodMs - missing) / intervalMs);
    },
    reset: (key) => void fullAt.delete(key),
  };
}
