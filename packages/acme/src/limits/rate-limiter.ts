/** Keeps what one process asks of one CA under the CA's limits: requests, accounts, orders, failed authorizations. */
import { ENDPOINTS, type Endpoint } from '../wire/endpoint.ts';
import type { Deadline } from './deadline.ts';
import { createLimitQueue, type LimitQueue } from './limit-queue.ts';
import { type CaLimits, withHeadroom, withMargin } from './limits.ts';
import type { Rate } from './token-bucket.ts';

/**
 * Keeps what one process asks of one CA under its limits. Shared by all accounts there; first come, first served. Waits give the time
 * that they took, in ms, and reject as `Deadline.sleep` does.
 */
export interface RateLimiter {
  /** Waits for room for one request. */
  request(deadline: Deadline, endpoint: Endpoint): Promise<number>;
  /** Waits for room for a new account. */
  account(deadline: Deadline): Promise<number>;
  /** Waits for room for a new order of an account, named by its key's thumbprint. */
  order(deadline: Deadline, account: string): Promise<number>;
  /** When an account may try a name again after its failed authorizations; now, where it may at once. */
  nameReadyAt(account: string, name: string): Date;
  /** Counts a failed authorization. */
  nameFailed(account: string, name: string): void;
  /** The CA said when to come back to an endpoint; kept for a day at most. */
  pauseEndpoint(endpoint: Endpoint, until: Date): void;
  /** The pause of what a new order needs, the longest of them, and since when; `undefined` where there is none. */
  orderPause(): { readonly since: Date; readonly until: Date } | undefined;
  /** Ends the pauses of all endpoints. */
  resumeEndpoints(): void;
  /** The CA said when it takes new orders of an account again; kept for a day at most. */
  pauseOrders(account: string, until: Date): void;
}

/** What a CA can ask for at most: one that says more is broken, or this process will not ask it again anyway. */
const LONGEST_PAUSE_MS = 86_400_000;
/** Above this many, full buckets are forgotten: they are as good as new ones. */
const MAX_IDLE = 10_000;

/** What a new order is made with. */
const FOR_ORDERS: readonly Endpoint[] = ['new-nonce', 'new-order'];

/** Queues by name, made as they are needed. */
function createQueues(what: string, rate: Rate, now: () => Date): (name: string) => LimitQueue {
  const queues = new Map<string, LimitQueue>();
  return (name) => {
    const known = queues.get(name);
    if (known) return known;
    if (queues.size >= MAX_IDLE) for (const [each, { bucket }] of queues) if (bucket.isFull(now())) queues.delete(each);
    const made = createLimitQueue(what, rate, now);
    queues.set(name, made);
    return made;
  };
}

/** Creates a limiter with nothing used up, each limit a little under its CA's, or `requestShare` of that for requests. */
export function createRateLimiter(
  limits: CaLimits,
  now: () => Date,
  { requestShare = 1 }: { readonly requestShare?: number } = {},
): RateLimiter {
  const requests = new Map(
    ENDPOINTS.map((endpoint) => [
      endpoint,
      createLimitQueue(endpoint, withMargin(limits.requests[endpoint], requestShare), now),
    ]),
  );
  const accounts = createLimitQueue('new accounts', withHeadroom(limits.accounts), now);
  const ordersOf = createQueues('new orders', withHeadroom(limits.orders), now);
  const failuresOf = createQueues('failed authorizations', withHeadroom(limits.failures), now);
  const queueOf = (endpoint: Endpoint) => requests.get(endpoint) as LimitQueue;
  const failures = (account: string, name: string) => failuresOf(`${account} ${name}`).bucket;
  const pauses = new Map<Endpoint, { readonly since: Date; readonly until: Date }>();
  const clamped = (until: Date) => new Date(Math.min(until.getTime(), now().getTime() + LONGEST_PAUSE_MS));
  return {
    request: (deadline, endpoint) => queueOf(endpoint).pass(deadline),
    account: (deadline) => accounts.pass(deadline),
    order: (deadline, account) => ordersOf(account).pass(deadline),
    nameReadyAt: (account, name) => new Date(now().getTime() + failures(account, name).waitMs(now())),
    nameFailed: (account, name) => failures(account, name).force(now()),
    pauseEndpoint(endpoint, until) {
      queueOf(endpoint).bucket.pause(clamped(until), now());
      pauses.set(endpoint, { since: now(), until: clamped(until) });
    },
    orderPause: () =>
      FOR_ORDERS.flatMap((endpoint) => pauses.get(endpoint) ?? [])
        // One that begins later was made before the clock was put back.
        .filter(({ since, until }) => since <= now() && until > now())
        .toSorted((one, other) => other.until.getTime() - one.until.getTime())[0],
    resumeEndpoints() {
      for (const endpoint of pauses.keys()) queueOf(endpoint).bucket.resume(now());
      pauses.clear();
    },
    pauseOrders: (account, until) => ordersOf(account).bucket.pause(clamped(until), now()),
  };
}
