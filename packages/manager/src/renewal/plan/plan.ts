/** Plans what a manager will do: when renewals come, which limit binds, when new names are done, what a mass revocation costs. */
import type { CaLimits } from '@certbus/acme';
import type { KeyType } from '@certbus/events';
import type { DutyCount, Traits } from '@certbus/replica';
import { authorityNamed, defaultDirectory, limitsOfAuthority } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import type { Context } from '../../context.ts';
import { countsFor } from '../../decide/limits.ts';
import { bucketOf, createVirtualBucket, type VirtualBucket } from './bucket.ts';
import { forecastNewNames, type NewNames, type NewNamesForecast, type Pace } from './new-names.ts';
import { rehearseLoad } from './rehearsal.ts';

/** Which certificates a mass revocation would be of; each condition that is given has to hold. */
export interface Predicate {
  /** Certificates for this domain or a name below it. */
  readonly domain?: string | undefined;
  /** Name of an authority of the configuration. */
  readonly authority?: string | undefined;
  readonly profile?: string | undefined;
  readonly keyType?: KeyType | undefined;
  /** SHA-256 of the certificate that issued them, base64url. */
  readonly issuer?: string | undefined;
  readonly issuedBefore?: Date | undefined;
}

/** What is asked of a plan. */
export interface PlanRequest {
  /** How far it goes, days of 24 hours from now; default 30. */
  readonly days?: number;
  /** New certificates at the default authority. */
  readonly newNames?: NewNames | undefined;
  /** Certificates to replace at once. */
  readonly revoke?: Predicate | undefined;
  /** How long an order takes, seconds; default 7. */
  readonly orderSeconds?: number;
}

/** What one CA allows now, and how fast renewals go there. */
export interface PlannedAuthority {
  readonly name: string;
  readonly directory: string;
  /** New orders that its account can make now, and at most. */
  readonly orders: { readonly left: number; readonly capacity: number };
  readonly renewalsPerHour: number;
  /** What keeps renewals from going faster: `pace`, `requests` or `orders`. */
  readonly boundBy: string;
}

/** Renewals of a day, by the hour; of the first one also what is due already. */
export interface PlannedDay {
  readonly from: Date;
  readonly renewals: number;
}

/** What a mass revocation costs. */
export interface RevocationForecast {
  readonly certificates: number;
  /** When the last replacement is there. */
  readonly replacedAt: Date;
  /** From when on no renewal is late; `undefined` where that is beyond the plan. */
  readonly caughtUpAt: Date | undefined;
  /** The longest that a renewal waits that comes due meanwhile, seconds. */
  readonly longestDelaySeconds: number;
  readonly authorities: readonly {
    readonly name: string;
    readonly certificates: number;
    readonly replacedAt: Date;
    readonly boundBy: string;
  }[];
}

/** A plan, from the bus's own state at a position. Nothing is changed by it. */
export interface Plan {
  readonly at: Date;
  readonly position: number;
  readonly certificates: number;
  readonly dueNow: number;
  readonly days: readonly PlannedDay[];
  readonly authorities: readonly PlannedAuthority[];
  readonly newNames: NewNamesForecast | undefined;
  readonly revocation: RevocationForecast | undefined;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const DAYS = 30;
const ORDER_SECONDS = 7;
const PARALLEL = 20;
/** A renewal of one name: nonce, order, authorization, challenge, two polls, finalization and certificate. */
const REQUESTS_AN_ORDER = 8;
/** What a manager takes of the requests that a CA allows an address. */
const REQUEST_SHARE = 0.5;

/** How fast the orders of a process go: by what it has under way at once, and by the requests that the CA takes. */
function pacesOf({ parallel, orderMs }: Pace, { requests }: CaLimits): VirtualBucket[] {
  const perOrder = (requests.other.refillMs * REQUESTS_AN_ORDER) / REQUEST_SHARE;
  return [
    createVirtualBucket('pace', { capacity: parallel, refillMs: orderMs / parallel }),
    createVirtualBucket('requests', { capacity: parallel, refillMs: perOrder }),
  ];
}

/** A CA of the plan, with what its renewals wait for. */
interface Counter extends PlannedAuthority {
  readonly perOrderMs: number;
  readonly burst: number;
}

function counterOf(
  { view: { state } }: Context,
  {
    name,
    directory,
    limits,
    pace,
    now,
  }: {
    readonly name: string;
    readonly directory: string;
    readonly limits: CaLimits;
    readonly pace: Pace;
    readonly now: Date;
  },
): Counter {
  const ofNew = countsFor({ names: [], directory, kind: 'new' }, limits).find(({ limit }) => limit === 'orders');
  const ofRenewals = countsFor({ names: [], directory, kind: 'repeated' }, limits).find(
    ({ limit }) => limit === 'orders',
  );
  const left = ofNew ? bucketOf(state, ofNew, now).left(now.getTime()) : 0;
  const perOrder = {
    pace: pace.orderMs / pace.parallel,
    requests: (limits.requests.other.refillMs * REQUESTS_AN_ORDER) / REQUEST_SHARE,
    ...(ofRenewals ? { orders: ofRenewals.rate.refillMs } : {}),
  };
  const [boundBy, perOrderMs] = Object.entries(perOrder).reduce((slowest, each) =>
    each[1] > slowest[1] ? each : slowest,
  );
  const burst =
    ofRenewals && boundBy === 'orders' ? bucketOf(state, ofRenewals, now).left(now.getTime()) : pace.parallel;
  const orders = { left, capacity: ofNew?.rate.capacity ?? 0 };
  return { name, directory, orders, renewalsPerHour: Math.floor(HOUR_MS / perOrderMs), boundBy, perOrderMs, burst };
}

/** Renewals by the hour from now on, the first with all that is due before; what comes after so many hours is left out. */
function byHour(counts: readonly DutyCount[], now: Date, length: number): number[] {
  const sums = Array.from({ length }, () => 0);
  const first = Math.floor(now.getTime() / HOUR_MS);
  for (const { hour, certificates } of counts) {
    const index = hour === undefined ? length : Math.max(0, hour.getTime() / HOUR_MS - first);
    if (index < length) sums[index] = (sums[index] ?? 0) + certificates;
  }
  return sums;
}

const totalOf = (counts: readonly DutyCount[]): number =>
  counts.reduce((sum, { certificates }) => sum + certificates, 0);

function selectionOf(config: Configuration, { domain, authority, profile, keyType, issuer, issuedBefore }: Predicate) {
  const directory = authority === undefined ? undefined : authorityNamed(config, authority).directory;
  const fits = <T>(wanted: T | undefined, found: T | undefined) => wanted === undefined || wanted === found;
  const traits = (found: Traits) =>
    fits(directory, found.directory) &&
    fits(profile, found.profile) &&
    fits(keyType, found.keyType ?? 'P-256') &&
    fits(issuer, found.issuer);
  return { traits, domain, issuedBefore };
}

/** Plans on the replica as it is. */
export function plan(
  context: Context,
  config: Configuration,
  { days = DAYS, newNames, revoke, orderSeconds = ORDER_SECONDS }: PlanRequest,
): Plan {
  const { view, publishedLimits } = context;
  const now = context.now();
  const pace = { parallel: config.parallelOrders ?? PARALLEL, orderMs: orderSeconds * 1000 };
  const limitsOf = (directory: string) => limitsOfAuthority(config, publishedLimits, directory);
  const counters = Object.entries(config.authorities).map(([name, { directory }]) =>
    counterOf(context, { name, directory, limits: limitsOf(directory), pace, now }),
  );
  const hours = days * 24;
  return view.replica.snapshot((reader) => {
    const duties = reader.countDuties({ traits: () => true });
    const ahead = byHour(duties, now, hours);
    const directory = defaultDirectory(config);
    const limits = limitsOf(directory);
    const forNew = { state: view.state, now, directory, limits, paces: pacesOf(pace, limits), orderMs: pace.orderMs };

    function rehearse(predicate: Predicate): RevocationForecast {
      const selection = selectionOf(config, predicate);
      const selected = reader.countDuties(selection).filter(({ traits }) => traits.isServed);
      // What is replaced now does not come due later.
      const others = [...duties, ...selected.map((each) => ({ ...each, certificates: -each.certificates }))];
      const each = counters.map((counter) => {
        const isHere = ({ traits }: DutyCount) => traits.directory === counter.directory;
        const certificates = totalOf(selected.filter(isHere));
        const due = byHour(others.filter(isHere), now, hours);
        const load = { replaced: certificates, due, stretchMs: HOUR_MS, orderMs: pace.orderMs, ...counter };
        return { counter, certificates, ...rehearseLoad(load) };
      });
      const concerned = each.filter(({ certificates }) => certificates > 0);
      const after = (ms: number) => new Date(now.getTime() + ms);
      const caughtUp = concerned.map(({ caughtUpAfterMs = Number.POSITIVE_INFINITY }) => caughtUpAfterMs);
      const last = Math.max(0, ...caughtUp);
      return {
        certificates: concerned.reduce((sum, { certificates }) => sum + certificates, 0),
        replacedAt: after(Math.max(0, ...concerned.map(({ replacedAfterMs }) => replacedAfterMs))),
        caughtUpAt: Number.isFinite(last) ? after(last) : undefined,
        longestDelaySeconds: Math.ceil(Math.max(0, ...concerned.map(({ longestDelayMs }) => longestDelayMs)) / 1000),
        authorities: concerned.map(({ counter: { name, boundBy }, certificates, replacedAfterMs }) => {
          return { name, certificates, replacedAt: after(replacedAfterMs), boundBy };
        }),
      };
    }

    return {
      at: now,
      position: reader.checkpoint().position,
      certificates: reader.countServed(),
      dueNow: reader.countDue(now),
      days: Array.from({ length: days }, (_, day) => ({
        from: new Date(now.getTime() + day * DAY_MS),
        renewals: ahead.slice(day * 24, day * 24 + 24).reduce((sum, count) => sum + count, 0),
      })),
      authorities: counters.map(({ perOrderMs: _, burst: __, ...shown }) => shown),
      newNames: newNames && forecastNewNames(newNames, forNew),
      revocation: revoke && rehearse(revoke),
    };
  });
}
