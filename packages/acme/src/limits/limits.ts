/** The limits that CAs publish, and how far this package stays under them. */
import type { Endpoint } from '../wire/endpoint.ts';
import type { Rate } from './token-bucket.ts';

/** What a CA lets one client do. */
export interface CaLimits {
  /** Requests, by what they ask for; counted by address at Let's Encrypt. */
  readonly requests: Readonly<Record<Endpoint, Rate>>;
  /** New accounts. */
  readonly accounts: Rate;
  /** New orders of an account. */
  readonly orders: Rate;
  /** Failed authorizations of one name in one account. */
  readonly failures: Rate;
  /** Certificates of one registered domain, for all accounts together; not limited where absent. */
  readonly domains?: Rate;
  /** Certificates of one exact set of names, for all accounts together; not limited where absent. */
  readonly nameSets?: Rate;
  /**
   * Whether renewals of the same names count for `orders` and `domains`. With `exempt` they do not, and a renewal inside the window that the CA named (RFC 9773)
   * passes all limits on orders, names and domains. Default `counted`.
   */
  readonly renewals?: 'exempt' | 'counted';
}

const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;

/** `perSecond` requests in the long run, `burst` at once. */
const requests = (perSecond: number, burst: number): Rate => ({ capacity: burst, refillMs: 1000 / perSecond });
/** `count` within `ms`, and one more each `ms / count`. */
const within = (count: number, ms: number): Rate => ({ capacity: count, refillMs: ms / count });

/** Published limits of Let's Encrypt (letsencrypt.org/docs/rate-limits, as of 2026-08-05). */
export const LETS_ENCRYPT_LIMITS: CaLimits = {
  requests: {
    directory: requests(40, 40),
    'new-nonce': requests(20, 10),
    'new-account': requests(5, 15),
    'new-order': requests(300, 200),
    revoke: requests(10, 100),
    'renewal-info': requests(1000, 100),
    other: requests(250, 125),
  },
  accounts: within(10, 3 * HOUR_MS),
  orders: within(300, 3 * HOUR_MS),
  failures: within(5, HOUR_MS),
  domains: within(50, WEEK_MS),
  nameSets: within(5, WEEK_MS),
  renewals: 'exempt',
};

/** Published limits of Let's Encrypt's staging environment, as of 2026-08-05. */
export const LETS_ENCRYPT_STAGING_LIMITS: CaLimits = {
  requests: { ...LETS_ENCRYPT_LIMITS.requests, 'new-order': requests(20, 40), other: requests(20, 20) },
  accounts: within(50, 3 * HOUR_MS),
  orders: within(1500, 3 * HOUR_MS),
  failures: within(200, HOUR_MS),
  domains: within(50, WEEK_MS),
  nameSets: within(30_000, WEEK_MS),
  renewals: 'exempt',
};

/** For CAs that publish nothing: a guard against loops, which no healthy client meets. */
export const GENEROUS_LIMITS: CaLimits = {
  requests: {
    directory: requests(100, 200),
    'new-nonce': requests(1000, 1000),
    'new-account': requests(100, 200),
    'new-order': requests(1000, 1000),
    revoke: requests(1000, 1000),
    'renewal-info': requests(1000, 1000),
    other: requests(5000, 5000),
  },
  accounts: within(1000, HOUR_MS),
  orders: within(100_000, HOUR_MS),
  failures: within(120, HOUR_MS),
};

const HOSTS: Readonly<Record<string, CaLimits>> = {
  'acme-v02.api.letsencrypt.org': LETS_ENCRYPT_LIMITS,
  'acme-staging-v02.api.letsencrypt.org': LETS_ENCRYPT_STAGING_LIMITS,
};

/** The published limits of a CA, by its directory; generous ones where none are known. */
export function limitsOf(directory: string): CaLimits {
  const host = URL.parse(directory)?.hostname ?? '';
  return (Object.hasOwn(HOSTS, host) ? HOSTS[host] : undefined) ?? GENEROUS_LIMITS;
}

// A refusal costs more than the twentieth that is left unused.
const USED = 0.95;

/** A rate a little under what is published. */
export function withHeadroom({ capacity, refillMs }: Rate): Rate {
  return { capacity: Math.max(1, Math.floor(capacity * USED)), refillMs: refillMs / USED };
}

/** The same for a share of the requests, which do not arrive as evenly as they leave: half of the burst is left for that. */
export function withMargin({ capacity, refillMs }: Rate, share: number): Rate {
  return { capacity: Math.max(1, Math.floor((capacity * share) / 2)), refillMs: refillMs / (USED * share) };
}
