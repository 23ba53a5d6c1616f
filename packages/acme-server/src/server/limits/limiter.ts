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
import { type Bucket, createTokenBuckets } from './token-bucket.ts';

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
  /** Says whether the order renews a certificate, and so does not count for its domains. */
  spendNewOrder(order: IntendedOrder): boolean;
  recordIssuance(order: Order): void;
  recordValidation(account: Account, name: string, isValid: boolean): void;
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

/** Keeps limits on the server's clock. */
export function createLimiter({ limits, clock, renewals, website }: LimiterOptions): Limiter {
  const buckets = (bucket: Bucket | undefined) => (bucket ? createTokenBuckets(bucket) : undefined);
  const newAccounts = buckets(limits.newAccounts);
  const newOrders = buckets(limits.newOrders);
  const perDomain = buckets(limits.certificatesPerDomain);
  const perSet = buckets(limits.certificatesPerSet);
  const failures = buckets(limits.failedAuthorizations);
  const consecutive = buckets(limits.consecutiveFailures);
  const requests = new Map(
    Object.entries(limits.requests ?? {}).map(([endpoint, { perSecond, burst }]) => [
      endpoint,
      createTokenBuckets({ capacity: burst, periodMs: (burst / perSecond) * 1000 }),
    ]),
  );
  const paused = new Map<Account, Set<string>>();
  const issuedSets = new Set<string>();
  const { registeredDomain = lastTwoLabels } = limits;

  function refuse(what: string, waitMs: number): never {
    const at = new Date(clock.now().getTime() + waitMs);
    const help = `${website}docs/rate-limits`;
    throw new ProblemDocument('rateLimited', `too many ${what}, retry after ${at.toISOString()}: see ${help}`, {
      headers: { 'retry-after': String(Math.ceil(waitMs / 1000)), link: link(help, 'help') },
    });
  }

  function checkBucket(of: ReturnType<typeof buckets>, key: string, what: string): void {
    const waitMs = of?.waitMs(key, clock.now()) ?? 0;
    if (waitMs > 0) refuse(what, waitMs);
  }

  const domainsOf = (identifiers: readonly Identifier[]) =>
    new Set(
      identifiers.map((each) =>
        each.type === 'dns' ? registeredDomain(each.value.replace(/^\*\./, '')) : countedName(each.value),
      ),
    );

  function checkPaused(account: Account, identifiers: readonly Identifier[]): void {
    const names = identifiers.map(({ value }) => value).filter((name) => paused.get(account)?.has(name));
    const [first] = names;
    if (first === undefined) return;
    const page = `${website}unpause?account=${account.id}`;
    const others = names.length > 1 ? ' and others' : '';
    // No Retry-After: waiting changes nothing, a person has to act.
    const detail = `Your account is temporarily prevented from requesting certificates for ${first}${others}. Please visit: ${page}`;
    throw new ProblemDocument('rateLimited', detail);
  }

  function pause(account: Account, name: string): void {
    const names = paused.get(account) ?? new Set();
    paused.set(account, names.add(name));
  }

  function isInsideWindow(replaced: IssuedCertificate | undefined): boolean {
    if (!replaced) return false;
    const now = clock.now();
    const { start, end } = renewalWindow(replaced, renewals.incident, now);
    return now >= start && now < end;
  }

  return {
    spendRequest(endpoint, from) {
      const of = requests.get(endpoint);
      const waitMs = of?.waitMs(from, clock.now()) ?? 0;
      if (waitMs > 0) {
        throw new ProblemDocument('rateLimited', 'Service busy; retry later.', {
          status: 503,
          headers: { 'retry-after': String(Math.ceil(waitMs / 1000)) },
        });
      }
      of?.spend(from, clock.now());
    },
    spendNewAccount(from) {
      checkBucket(newAccounts, from, 'new registrations from this IP address');
      newAccounts?.spend(from, clock.now());
    },
    spendNewOrder({ account, identifiers, replaced }) {
      checkPaused(account, identifiers);
      const set = setKey(identifiers);
      const isExempt = isInsideWindow(replaced);
      const isRenewal = isExempt || issuedSets.has(set);
      if (!isExempt) {
        for (const each of identifiers) {
          const what = `failed authorizations for "${each.value}"`;
          checkBucket(failures, keyOf(account, countedName(each.value)), what);
        }
        checkBucket(perSet, set, 'certificates already issued for this exact set of identifiers');
      }
      if (!isRenewal) {
        for (const domain of domainsOf(identifiers)) {
          checkBucket(perDomain, domain, `certificates already issued for "${domain}"`);
        }
        checkBucket(newOrders, account.id, 'new orders from this account');
        newOrders?.spend(account.id, clock.now());
      }
      return isRenewal;
    },
    recordIssuance({ identifiers, isRenewal }) {
      const now = clock.now();
      const set = setKey(identifiers);
      issuedSets.add(set);
      perSet?.spend(set, now);
      if (!isRenewal) for (const domain of domainsOf(identifiers)) perDomain?.spend(domain, now);
    },
    recordValidation(account, name, isValid) {
      const key = keyOf(account, countedName(name));
      if (isValid) return consecutive?.reset(key);
      failures?.spend(key, clock.now());
      const left = consecutive?.spend(key, clock.now());
      if (left !== undefined && left <= 0) pause(account, name);
    },
    pause,
    resume(account) {
      for (const name of paused.get(account) ?? []) consecutive?.reset(keyOf(account, countedName(name)));
      paused.delete(account);
    },
  };
}
