/** The limits that a CA can have, and those that Let's Encrypt publishes. */
import type { Bucket } from './token-bucket.ts';

/** What clients ask for, as limits on requests tell it apart. */
export type Endpoint =
  | 'directory'
  | 'new-nonce'
  | 'new-account'
  | 'new-order'
  | 'revoke-cert'
  | 'renewal-info'
  | 'other';

/** Limits of a CA. What is absent is not limited. */
export interface RateLimits {
  /** By IP address. */
  readonly newAccounts?: Bucket;
  /** By account. Renewals are exempt, unless `renewals` says otherwise. */
  readonly newOrders?: Bucket;
  /** By registered domain, for all accounts together. Renewals are exempt, as above. */
  readonly certificatesPerDomain?: Bucket;
  /** By exact set of names, for all accounts together. Renewals within their suggested window are exempt. */
  readonly certificatesPerSet?: Bucket;
  /** By name and account. Renewals within their suggested window are exempt. */
  readonly failedAuthorizations?: Bucket;
  /** Whether a renewal, inside its suggested window or not, counts like any other order, as at CAs that exempt nothing. Default `exempt`. */
  readonly renewals?: 'exempt' | 'counted';
  /** By name and account, filled by each success; when it is empty the name is paused. */
  readonly consecutiveFailures?: Bucket;
  /** By IP address and endpoint; beyond it stands 503. */
  readonly requests?: Readonly<Partial<Record<Endpoint, RequestRate>>>;
  /** The domain that a name is registered under. Default: its last two labels, which is wrong for names such as `a.co.uk`. */
  readonly registeredDomain?: (name: string) => string;
  /** Whether a set of names had a certificate before this server began, so that its next one is a renewal. Default: none had. */
  readonly hadCertificate?: (names: readonly string[]) => boolean;
}

/** A rate of requests. */
export interface RequestRate {
  readonly perSecond: number;
  readonly burst: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** Limits of Let's Encrypt's production service, as its page of 2026-08-05 has them. */
export const letsEncryptLimits: RateLimits = {
  newAccounts: { capacity: 10, periodMs: 3 * HOUR_MS },
  newOrders: { capacity: 300, periodMs: 3 * HOUR_MS },
  certificatesPerDomain: { capacity: 50, periodMs: 7 * DAY_MS },
  certificatesPerSet: { capacity: 5, periodMs: 7 * DAY_MS },
  failedAuthorizations: { capacity: 5, periodMs: HOUR_MS },
  consecutiveFailures: { capacity: 1152, periodMs: 1152 * DAY_MS },
  requests: {
    directory: { perSecond: 40, burst: 40 },
    'new-nonce': { perSecond: 20, burst: 10 },
    'new-account': { perSecond: 5, burst: 15 },
    'new-order': { perSecond: 300, burst: 200 },
    'revoke-cert': { perSecond: 10, burst: 100 },
    'renewal-info': { perSecond: 1000, burst: 100 },
    other: { perSecond: 250, burst: 125 },
  },
};

/** Limits of Let's Encrypt's staging environment, where its page of 2026-08-05 names others. */
export const letsEncryptStagingLimits: RateLimits = {
  ...letsEncryptLimits,
  newOrders: { capacity: 1500, periodMs: 3 * HOUR_MS },
  certificatesPerSet: { capacity: 30_000, periodMs: 7 * DAY_MS },
  failedAuthorizations: { capacity: 200, periodMs: HOUR_MS },
  requests: {
    ...letsEncryptLimits.requests,
    'new-order': { perSecond: 20, burst: 40 },
    other: { perSecond: 20, burst: 20 },
  },
};
