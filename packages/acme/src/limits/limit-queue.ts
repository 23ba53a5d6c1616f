/** The queue before one limit of a CA: first come, first served. */
import type { Deadline } from './deadline.ts';
import { createTokenBucket, type Rate, type TokenBucket } from './token-bucket.ts';

/** A token bucket with a queue before it: those who come first go first. */
export interface LimitQueue {
  /**
   * Waits for a place, and gives the time that it took, in ms. Rejects with the signal's reason, or at once with
   * `CERTBUS_ACME_DEADLINE` where the turn would come after the deadline.
   */
  pass(deadline: Deadline): Promise<number>;
  readonly bucket: TokenBucket;
}

/** A place in the queue. */
interface Turn {
  readonly come: () => void;
}

/** Resolves with `come`, or rejects when the signal aborts. */
function awaitTurn(signal: AbortSignal): { readonly promise: Promise<void>; readonly come: () => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  return { promise: promise.finally(() => signal.removeEventListener('abort', onAbort)), come: resolve };
}

/** Creates the queue of a limit, called `name` in messages. */
export function createLimitQueue(name: string, rate: Rate, now: () => Date): LimitQueue {
  const bucket = createTokenBucket(rate);
  const room = { kind: 'limit', what: `The CA's limits (${name}) leave room` } as const;
  let queue: Turn[] = [];

  function leave(turn: Turn): void {
    const wasFirst = queue[0] === turn;
    queue = queue.filter((each) => each !== turn);
    if (wasFirst) queue[0]?.come();
  }

  return {
    bucket,
    async pass(deadline) {
      deadline.signal.throwIfAborted();
      const start = now();
      if (queue.length === 0 && bucket.take(start) === 0) return 0;
      deadline.check(bucket.waitMs(start, queue.length), room);
      const turn = awaitTurn(deadline.signal);
      queue.push(turn);
      if (queue[0] === turn) turn.come();
      try {
        await turn.promise;
        // Looked at when it is used: timers can be late, and then fire together.
        for (let wait = bucket.take(now()); wait > 0; wait = bucket.take(now())) await deadline.sleep(wait, room);
      } finally {
        leave(turn);
      }
      return now().getTime() - start.getTime();
    },
  };
}
