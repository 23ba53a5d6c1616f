import { ENDPOINTS, type Endpoint } from './endpoint.ts';
import { type CaLimits, withHeadroom } from './limits.ts';
import { createTokenBucket, type Rate, type Reservation, type TokenBucket } from './token-bucket.ts';

/** Keeps what one process asks of one CA under its limits. Shared by all accounts there; first come, first served. */
export interface Limiter {
  /** A place for one request. */
  request(endpoint: Endpoint): Reservation;
  /** A place for a new account. */
  account(): Reservation;
  /** A place for a new order of an account, named by its key's thumbprint. */
  order(account: string): Reservation;
  /** When an account may try a name again after its failed authorizations; now, where it may at once. */
  nameReadyAt(account: string, name: string): Date;
  /** Counts a failed authorization. */
  nameFailed(account: string, name: string): void;
  /** The CA said when to come back to an endpoint. */
  pauseEndpoint(endpoint: Endpoint, until: Date): void;
  /** The CA said when it takes new orders of an account again. */
  pauseOrders(account: string, until: Date): void;
}

/** Above this many, full buckets are forgotten: they are as good as new ones. */
const MAX_IDLE = 10_000;

/** Buckets by name, made as they are needed. */
function createBuckets(rate: Rate, now: () => Date) {
  const buckets = new Map<string, TokenBucket>();
  return (name: string): TokenBucket => {
    const known = buckets.get(name);
    if (known) return known;
    if (buckets.size >= MAX_IDLE) for (const [each, bucket] of buckets) if (bucket.isFull(now())) buckets.delete(each);
    const made = createTokenBucket(rate);
    buckets.set(name, made);
    return made;
  };
}

/** Creates a limiter with full buckets, each a twentieth under its limit. */
export function createLimiter(limits: CaLimits, now: () => Date): Limiter {
  const requests = new Map(
    ENDPOINTS.map((endpoint) => [endpoint, createTokenBucket(withHeadroom(limits.requests[endpoint]))]),
  );
  const accounts = createTokenBucket(withHeadroom(limits.accounts));
  const ordersOf = createBuckets(withHeadroom(limits.orders), now);
  const failuresOf = createBuckets(withHeadroom(limits.failures), now);
  const bucketOf = (endpoint: Endpoint) => requests.get(endpoint) as TokenBucket;
  return {
    request: (endpoint) => bucketOf(endpoint).reserve(now()),
    account: () => accounts.reserve(now()),
    order: (account) => ordersOf(account).reserve(now()),
    nameReadyAt: (account, name) => failuresOf(`${account} ${name}`).readyAt(now()),
    nameFailed: (account, name) => void failuresOf(`${account} ${name}`).reserve(now()),
    pauseEndpoint: (endpoint, until) => bucketOf(endpoint).pause(until, now()),
    pauseOrders: (account, until) => ordersOf(account).pause(until, now()),
  };
}
