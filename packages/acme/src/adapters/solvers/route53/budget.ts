import type { Sleep } from './waiting.ts';

/** How much of something may be done: so much at once, then so much per second. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** What a budget needs to know. */
export interface BudgetOptions {
  readonly requests: Rate;
  readonly changes: Rate;
  now(): Date;
  readonly sleep: Sleep;
}

/**
 * What this process takes of an account's rates, which it shares with others: consoles, infrastructure tools, other managers. Slows down
 * when Route 53 is throttling, whoever is to blame, and recovers step by step.
 */
export interface Budget {
  /** Waits until one request with so many changes of record sets may be sent, in order of asking. */
  spend(changes: number, options: { readonly signal: AbortSignal }): Promise<void>;
  /** Route 53 throttled. */
  slowDown(): void;
  /** Route 53 did as asked. */
  recover(): void;
}

const SLOWEST = 1 / 16;
const STEP = 1 / 16;

interface Bucket {
  readonly rate: Rate;
  tokens: number;
  at: number;
}

/** Creates a budget with full buckets. */
export function createBudget({ requests, changes, now, sleep }: BudgetOptions): Budget {
  const start = now().getTime();
  const create = (rate: Rate): Bucket => ({ rate, tokens: rate.burst, at: start });
  const buckets = { requests: create(requests), changes: create(changes) };
  let pace = 1;

  /** Fills a bucket up to now, at the pace that was. */
  function refill(bucket: Bucket): Bucket {
    const time = now().getTime();
    const gained = (Math.max(0, time - bucket.at) * bucket.rate.perSecond * pace) / 1000;
    bucket.tokens = Math.min(bucket.rate.burst, bucket.tokens + gained);
    bucket.at = time;
    return bucket;
  }

  /** Takes tokens in advance and says when they will be there, so that each waits once. */
  function reserve(bucket: Bucket, amount: number): number {
    const { rate } = refill(bucket);
    bucket.tokens -= amount;
    return bucket.tokens >= 0 ? 0 : (-bucket.tokens * 1000) / (rate.perSecond * pace);
  }

  function setPace(next: number): void {
    for (const bucket of Object.values(buckets)) refill(bucket);
    pace = Math.min(1, Math.max(SLOWEST, next));
  }

  return {
    async spend(count, { signal }) {
      signal.throwIfAborted();
      const waitMs = Math.max(reserve(buckets.requests, 1), reserve(buckets.changes, count));
      if (waitMs === 0) return;
      try {
        await sleep(waitMs, { signal });
      } catch (error) {
        buckets.requests.tokens += 1;
        buckets.changes.tokens += count;
        throw error;
      }
    },
    slowDown() {
      setPace(pace / 2);
      for (const bucket of Object.values(buckets)) bucket.tokens = Math.min(0, bucket.tokens);
    },
    recover() {
      if (pace < 1) setPace(pace + STEP);
    },
  };
}
