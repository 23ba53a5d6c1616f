import { ENDPOINTS, type Endpoint } from '../wire/endpoint.ts';
import type { Job } from './job.ts';
import { createLane, type Lane } from './lane.ts';
import { type CaLimits, withHeadroom, withMargin } from './limits.ts';
import type { Rate } from './token-bucket.ts';

/**
 * Keeps what one process asks of one CA under its limits. Shared by all accounts there; first come, first served. Waits give the time
 * that they took, in ms, and reject as `Job.sleep` does.
 */
export interface Limiter {
  /** Waits for room for one request. */
  request(job: Job, endpoint: Endpoint): Promise<number>;
  /** Waits for room for a new account. */
  account(job: Job): Promise<number>;
  /** Waits for room for a new order of an account, named by its key's thumbprint. */
  order(job: Job, account: string): Promise<number>;
  /** When an account may try a name again after its failed authorizations; now, where it may at once. */
  nameReadyAt(account: string, name: string): Date;
  /** Counts a failed authorization. */
  nameFailed(account: string, name: string): void;
  /** The CA said when to come back to an endpoint; kept for a day at most. */
  pauseEndpoint(endpoint: Endpoint, until: Date): void;
  /** The CA said when it takes new orders of an account again; kept for a day at most. */
  pauseOrders(account: string, until: Date): void;
}

/** What a CA may ask for at most; whoever says more is broken, or is not asked again by this process anyway. */
const LONGEST_PAUSE_MS = 86_400_000;
/** Above this many, full buckets are forgotten: they are as good as new ones. */
const MAX_IDLE = 10_000;

/** Lanes by name, made as they are needed. */
function createLanes(what: string, rate: Rate, now: () => Date): (name: string) => Lane {
  const lanes = new Map<string, Lane>();
  return (name) => {
    const known = lanes.get(name);
    if (known) return known;
    if (lanes.size >= MAX_IDLE) for (const [each, { bucket }] of lanes) if (bucket.isFull(now())) lanes.delete(each);
    const made = createLane(what, rate, now);
    lanes.set(name, made);
    return made;
  };
}

/** Creates a limiter with nothing used up, each limit a little under its CA's, or `requestShare` of that for requests. */
export function createLimiter(
  limits: CaLimits,
  now: () => Date,
  { requestShare = 1 }: { readonly requestShare?: number } = {},
): Limiter {
  const requests = new Map(
    ENDPOINTS.map((endpoint) => [
      endpoint,
      createLane(endpoint, withMargin(limits.requests[endpoint], requestShare), now),
    ]),
  );
  const accounts = createLane('new accounts', withHeadroom(limits.accounts), now);
  const ordersOf = createLanes('new orders', withHeadroom(limits.orders), now);
  const failuresOf = createLanes('failed authorizations', withHeadroom(limits.failures), now);
  const laneOf = (endpoint: Endpoint) => requests.get(endpoint) as Lane;
  const failures = (account: string, name: string) => failuresOf(`${account} ${name}`).bucket;
  const clamped = (until: Date) => new Date(Math.min(until.getTime(), now().getTime() + LONGEST_PAUSE_MS));
  return {
    request: (job, endpoint) => laneOf(endpoint).pass(job),
    account: (job) => accounts.pass(job),
    order: (job, account) => ordersOf(account).pass(job),
    nameReadyAt: (account, name) => new Date(now().getTime() + failures(account, name).waitMs(now())),
    nameFailed: (account, name) => failures(account, name).force(now()),
    pauseEndpoint: (endpoint, until) => laneOf(endpoint).bucket.pause(clamped(until), now()),
    pauseOrders: (account, until) => ordersOf(account).bucket.pause(clamped(until), now()),
  };
}
