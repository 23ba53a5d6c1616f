/** Keeps the CA's limits on requests, accounts, orders and failures. */
import type { Clock } from '../clock.ts';
import { link } from '../exchange.ts';
import type { Identifier } from '../identifier.ts';
import { setKey } from '../identifier-policy.ts';
import { groupsOf } from '../ip-address.ts';
import { ProblemDocument } from '../problem-document.ts';
import type { Account, IssuedCertificate, Order } from '../records.ts';
import type { RenewalScript } from '../renewal-script.ts';
import { renewalWindow } from '../renewal-window.ts';
import type { Endpoint, RateLimits } from './rate-limits.ts';
import { type Bucket, createTokenBuckets, type TokenBuckets } from './token-bucket.ts';

/** An order that is about to be made. */
export interface IntendedOrder {
  readonly account: Account;
  readonly identifiers: readonly Identifier[];
  readonly replaced: IssuedCertificate | undefined;
}

/** Keeps a CA's limits. What is over one is refused with `rateLimited`. */
export interface Limiter {
  /** Throws 503 with `Retry-After`. */
  spendRequest(endpoint: Endpoint, from: string): void;
  spendNewAccount(from: string): void;
  /** Whether the order renews a certificate, and so does not count for its domains. */
  spendNewOrder(order: IntendedOrder): boolean;
  recordIssuance(order: Order): void;
  recordValidation(account: Account, outcome: { readonly name: string; readonly isValid: boolean }): void;
  /** Refuses further orders of an account for a name until `resume`. */
  pause(account: Account, name: string): void;
  resume(account: Account): void;
}

/** What a limiter looks at. */
export interface LimiterOptions {
  readonly limits: RateLimits;
  readonly clock: Clock;
  readonly renewals: RenewalScript;
  readonly website: string;
}

function keyOf({ id }: Account, name: string): string {
  return `${id} ${name}`;
}

/** What limits count a name as: itself, wildcards apart; an IPv6 address by its /64. */
function countedName(name: string): string {
  return name.includes(':') ? groupsOf(name).slice(0, 4).join(':') : name;
}

function lastTwoLabels(name: string): string {
  return name.split('.').slice(-2).join('.');
}

/** What a limiter counts. */
interface Counters extends LimiterOptions {
  readonly newAccounts: TokenBuckets | undefined;
  readonly newOrders: TokenBuckets | undefined;
  readonly perDomain: TokenBuckets | undefined;
  readonly perSet: TokenBuckets | undefined;
  readonly failures: TokenBuckets | undefined;
  readonly consecutive: TokenBuckets | undefined;
  readonly requests: ReadonlyMap<string, TokenBuckets>;
  readonly paused: Map<Account, Set<string>>;
  /** Sets of identifiers that have had a certificate. */
  readonly issuedSets: Set<string>;
}

function createCounters(options: LimiterOptions): Counters {
  const { limits } = options;
  const buckets = (bucket: Bucket | undefined) => (bucket ? createTokenBuckets(bucket) : undefined);
  const requests = Object.entries(limits.requests ?? {}).map(
    ([endpoint, { perSecond, burst }]) =>
      [endpoint, createTokenBuckets({ capacity: burst, periodMs: (burst / perSecond) * 1000 })] as const,
  );
  return {
    ...options,
    newAccounts: buckets(limits.newAccounts),
    newOrders: buckets(limits.newOrders),
    perDomain: buckets(limits.certificatesPerDomain),
    perSet: buckets(limits.certificatesPerSet),
    failures: buckets(limits.failedAuthorizations),
    consecutive: buckets(limits.consecutiveFailures),
    requests: new Map(requests),
    paused: new Map(),
    issuedSets: new Set(),
  };
}

function checkBucket({ clock, website }: Counters, of: TokenBuckets | undefined, key: string, what: string): void {
  const waitMs = of?.waitMs(key, clock.now()) ?? 0;
  if (waitMs <= 0) return;
  const at = new Date(clock.now().getTime() + waitMs);
  const help = `${website}docs/rate-limits`;
  throw new ProblemDocument('rateLimited', `too many ${what}, retry after ${at.toISOString()}: see ${help}`, {
    headers: { 'retry-after': String(Math.ceil(waitMs / 1000)), link: link(help, 'help') },
  });
}

function domainsOf({ limits }: Counters, identifiers: readonly Identifier[]): ReadonlySet<string> {
  const { registeredDomain = lastTwoLabels } = limits;
  return new Set(
    identifiers.map(({ type, value }) =>
      type === 'dns' ? registeredDomain(value.replace(/^\*\./, '')) : countedName(value),
    ),
  );
}

function checkPaused({ paused, website }: Counters, account: Account, identifiers: readonly Identifier[]): void {
  const names = identifiers.map(({ value }) => value).filter((name) => paused.get(account)?.has(name));
  const [first] = names;
  if (first === undefined) return;
  const page = `${website}unpause?account=${account.id}`;
  const others = names.length > 1 ? ' and others' : '';
  // No Retry-After: waiting changes nothing, a person has to act.
  const detail = `Your account is temporarily prevented from requesting certificates for ${first}${others}. Please visit: ${page}`;
  throw new ProblemDocument('rateLimited', detail);
}

function pause({ paused }: Counters, account: Account, name: string): void {
  const names = paused.get(account) ?? new Set();
  paused.set(account, names.add(name));
}

/** Whether a certificate's renewal is asked for now, which exempts its order from limits (RFC 9773 §5). */
function isInsideWindow({ clock, renewals }: Counters, replaced: IssuedCertificate | undefined): boolean {
  if (!replaced) return false;
  const now = clock.now();
  const { start, end } = renewalWindow(replaced, renewals.incident, now);
  return now >= start && now < end;
}

function spendRequest({ requests, clock }: Counters, endpoint: Endpoint, from: string): void {
  const of = requests.get(endpoint);
  const waitMs = of?.waitMs(from, clock.now()) ?? 0;
  if (waitMs > 0) {
    throw new ProblemDocument('rateLimited', 'Service busy; retry later.', {
      status: 503,
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
    });
  }
  of?.spend(from, clock.now());
}

function spendNewOrder(counters: Counters, { account, identifiers, replaced }: IntendedOrder): boolean {
  const { limits, clock, failures, perSet, perDomain, newOrders, issuedSets } = counters;
  checkPaused(counters, account, identifiers);
  const set = setKey(identifiers);
  const isExempting = limits.renewals !== 'counted';
  const isExempt = isExempting && isInsideWindow(counters, replaced);
  const hadCertificate =
    issuedSets.has(set) || (limits.hadCertificate?.(identifiers.map(({ value }) => value)) ?? false);
  const isRenewal = isExempt || (isExempting && hadCertificate);
  if (!isExempt) {
    for (const { value } of identifiers) {
      checkBucket(counters, failures, keyOf(account, countedName(value)), `failed authorizations for "${value}"`);
    }
    checkBucket(counters, perSet, set, 'certificates already issued for this exact set of identifiers');
  }
  if (!isRenewal) {
    for (const domain of domainsOf(counters, identifiers)) {
      checkBucket(counters, perDomain, domain, `certificates already issued for "${domain}"`);
    }
    checkBucket(counters, newOrders, account.id, 'new orders from this account');
    newOrders?.spend(account.id, clock.now());
  }
  return isRenewal;
}

function recordIssuance(counters: Counters, { identifiers, isRenewal }: Order): void {
  const { clock, perSet, perDomain, issuedSets } = counters;
  const now = clock.now();
  const set = setKey(identifiers);
  issuedSets.add(set);
  perSet?.spend(set, now);
  if (!isRenewal) for (const domain of domainsOf(counters, identifiers)) perDomain?.spend(domain, now);
}

function recordFailure(counters: Counters, account: Account, name: string): void {
  const { clock, failures, consecutive } = counters;
  const key = keyOf(account, countedName(name));
  failures?.spend(key, clock.now());
  const left = consecutive?.spend(key, clock.now());
  if (left !== undefined && left <= 0) pause(counters, account, name);
}

/** Keeps limits on the server's clock. */
export function createLimiter(options: LimiterOptions): Limiter {
  const counters = createCounters(options);
  const { clock, newAccounts, consecutive, paused } = counters;
  return {
    spendRequest: (endpoint, from) => spendRequest(counters, endpoint, from),
    spendNewAccount(from) {
      checkBucket(counters, newAccounts, from, 'new registrations from this IP address');
      newAccounts?.spend(from, clock.now());
    },
    spendNewOrder: (order) => spendNewOrder(counters, order),
    recordIssuance: (order) => recordIssuance(counters, order),
    recordValidation(account, { name, isValid }) {
      if (isValid) consecutive?.reset(keyOf(account, countedName(name)));
      else recordFailure(counters, account, name);
    },
    pause: (account, name) => pause(counters, account, name),
    resume(account) {
      for (const name of paused.get(account) ?? []) consecutive?.reset(keyOf(account, countedName(name)));
      paused.delete(account);
    },
  };
}
