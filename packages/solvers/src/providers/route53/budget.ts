/** A budget of requests, so many at once and then so many a second. */
import { createTurnstile, type Sleep, type Turnstile } from './waiting.ts';

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
 * when Route 53 is throttling, whatever the cause, and recovers step by step.
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
  readonly turns: Turnstile;
  tokens: number;
  at: number;
}

/** Creates a budget with full buckets. */
export function createBudget({ requests, changes, now, sleep }: BudgetOptions): Budget {
  const start = now().getTime();
  const create = (rate: Rate): Bucket => ({ rate, turns: createTurnstile(1), tokens: rate.burst, at: start });
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

  /** How long until a bucket has so many tokens; 0 where it has them. */
  function lackMs(bucket: Bucket, amount: number): number {
    const { rate, tokens } = refill(bucket);
    return tokens >= amount ? 0 : ((amount - tokens) * 1000) / (rate.perSecond * pace);
  }

  /** One after another, each counting from when the one before went: a process that was held up does not go off all at once. */
  function take(bucket: Bucket, amount: number, signal: AbortSignal): Promise<void> {
    return bucket.turns.pass(async () => {
      const waitMs = lackMs(bucket, amount);
      if (waitMs > 0) await sleep(waitMs, { signal });
      refill(bucket).tokens -= amount;
    }, signal);
  }

  function setPace(next: number): void {
    for (const bucket of Object.values(buckets)) refill(bucket);
    pace = Math.min(1, Math.max(SLOWEST, next));
  }

  return {
    async spend(count, { signal }) {
      // A large batch that waits for its changes lets those requests go ahead that have none.
      if (count > 0) await take(buckets.changes, count, signal);
      await take(buckets.requests, 1, signal);
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
