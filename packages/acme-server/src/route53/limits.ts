/** The limits of a Route 53 account, and the throttle that keeps them. */

/** A token bucket's measures. */
export interface BucketSize {
  /** Tokens in a full bucket. */
  readonly burst: number;
  readonly perSecond: number;
}

/** What one AWS account may do, as Route 53's developer guide says since 2026-07-30 ("Throttling for Amazon Route 53 API requests"). */
export interface Route53Limits {
  /** Requests of all actions together, and of each action by itself. */
  readonly requests: BucketSize;
  /** Changes of record sets: CREATE and DELETE cost one token, UPSERT two. */
  readonly changes: BucketSize;
  /** `ResourceRecord` elements in one batch; those of an UPSERT count twice. */
  readonly elements: number;
  /** Characters in all `Value` elements of one batch; those of an UPSERT count twice. */
  readonly characters: number;
}

/** The limits of every account that asked for no others. */
export const ROUTE53_LIMITS: Route53Limits = {
  requests: { burst: 50, perSecond: 10 },
  changes: { burst: 1500, perSecond: 100 },
  elements: 1000,
  characters: 32_000,
};

interface Bucket {
  readonly size: BucketSize;
  tokens: number;
  at: number;
}

/** The buckets of one account. */
export interface Throttle {
  /** Whether this request passes. Tokens are taken from every bucket, or from none. */
  admit(action: string, changes: number): boolean;
}

/** Fills the buckets of an account. */
export function createThrottle({ requests, changes }: Route53Limits, now: () => Date): Throttle {
  const start = now().getTime();
  const create = (size: BucketSize): Bucket => ({ size, tokens: size.burst, at: start });
  const account = create(requests);
  const throughput = create(changes);
  const byAction = new Map<string, Bucket>();

  function refill(bucket: Bucket): Bucket {
    const time = now().getTime();
    const gained = (Math.max(0, time - bucket.at) / 1000) * bucket.size.perSecond;
    bucket.tokens = Math.min(bucket.size.burst, bucket.tokens + gained);
    bucket.at = time;
    return bucket;
  }

  return {
    admit(action, count) {
      const own = byAction.get(action) ?? create(requests);
      byAction.set(action, own);
      const wanted = [
        { bucket: refill(account), cost: 1 },
        { bucket: refill(own), cost: 1 },
        { bucket: refill(throughput), cost: count },
      ];
      if (wanted.some(({ bucket, cost }) => bucket.tokens < cost)) return false;
      for (const { bucket, cost } of wanted) bucket.tokens -= cost;
      return true;
    },
  };
}
