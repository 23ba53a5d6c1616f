/** Plans what a manager will do: when renewals come, which limit binds, when new names are done, what a mass revocation costs. */
import type { CaLimits } from '@certbus/acme';
import type { DutyCount, Selection } from '@certbus/replica';
import { defaultDirectory, limitsOfAuthority } from '../../configuration/certificate-authorities.ts';
import type { Configuration } from '../../configuration/configuration.ts';
import type { Context } from '../../context.ts';
import { countsFor } from '../../decide/limits.ts';
import { rootHistoryOf } from '../../state/root-history.ts';
import { type Predicate, resolvePredicate, selectionOf } from '../campaign/predicate.ts';
import { bucketOf, createVirtualBucket, type VirtualBucket } from './bucket.ts';
import { domainWaits } from './domains.ts';
import { byHour, HOUR_MS } from './hours.ts';
import { forecastNewNames, type NewNames, type NewNamesForecast, type Pace } from './new-names.ts';
import { forecastReplacement, type RenewalSpeed, type ReplacementForecast } from './replacement.ts';
import { renewByHour } from './room-by-hour.ts';

/** What is asked of a plan. */
export interface PlanRequest {
  /** How far it goes, days of 24 hours from now; default 30. */
  readonly days?: number;
  /** New certificates at the default authority. */
  readonly newNames?: NewNames | undefined;
  /** Certificates to replace. */
  readonly revoke?: Predicate | undefined;
  /** How many of them an hour; default as many as the CA takes. */
  readonly ordersPerHour?: number | undefined;
  /** How long an order takes, seconds; default 7. */
  readonly orderSeconds?: number;
}

/** What one CA allows now, and how fast renewals go there. */
export interface PlannedAuthority {
  readonly name: string;
  readonly directory: string;
  /** New orders that its account can make now, and at most. */
  readonly orders: { readonly left: number; readonly capacity: number };
  /** A whole number from ten on, and less than one where a CA takes so few. */
  readonly renewalsPerHour: number;
  /** What keeps renewals from going faster: `pace`, `requests` or `orders`. */
  readonly boundBy: string;
  /** The longest that a renewal waits for that, seconds; 0 where none waits for an hour. */
  readonly longestDelaySeconds: number;
  /** How many renewals come due within the plan, and go after it. */
  readonly leftOver: number;
}

/** Renewals that go on a day, as many as the CA of each takes; on the first one also what is due already. */
export interface PlannedDay {
  readonly from: Date;
  readonly renewals: number;
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
  readonly revocation: ReplacementForecast | undefined;
}

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
interface Counter extends Omit<PlannedAuthority, 'longestDelaySeconds' | 'leftOver'>, RenewalSpeed {
  /** How many go at once where nothing went for long. */
  readonly capacity: number;
}

/** To two places where it is small: a CA that takes one in a day does not take none. */
const roundedRate = (perHour: number): number =>
  perHour >= 10 ? Math.floor(perHour) : Math.floor(perHour * 100) / 100;

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
  const isOfOrders = ofRenewals && boundBy === 'orders';
  const burst = isOfOrders ? bucketOf(state, ofRenewals, now).left(now.getTime()) : pace.parallel;
  const capacity = isOfOrders ? ofRenewals.rate.capacity : pace.parallel;
  const orders = { left, capacity: ofNew?.rate.capacity ?? 0 };
  const renewalsPerHour = roundedRate(HOUR_MS / perOrderMs);
  return { name, directory, orders, renewalsPerHour, boundBy, perOrderMs, burst, capacity };
}

/** How fast the renewals of each CA go, as the configuration has it. */
function countersOf(context: Context, config: Configuration, pace: Pace): readonly Counter[] {
  const limitsOf = (directory: string) => limitsOfAuthority(config, context.publishedLimits, directory);
  return Object.entries(config.authorities).map(([name, { directory }]) =>
    counterOf(context, { name, directory, limits: limitsOf(directory), pace, now: context.now() }),
  );
}

const paceOf = ({ parallelOrders = PARALLEL }: Configuration, orderSeconds: number): Pace => ({
  parallel: parallelOrders,
  orderMs: orderSeconds * 1000,
});

/** When a selection is replaced, at the pace of a campaign where there is one, on the replica as it is. */
export function forecastSelection(
  context: Context,
  config: Configuration,
  {
    selection,
    ordersPerHour,
    days = DAYS,
    orderSeconds = ORDER_SECONDS,
  }: { readonly selection: Selection } & Pick<PlanRequest, 'days' | 'ordersPerHour' | 'orderSeconds'>,
): ReplacementForecast {
  const pace = paceOf(config, orderSeconds);
  const speeds = countersOf(context, config, pace);
  const limits = speeds.map(
    ({ directory }) => [directory, limitsOfAuthority(config, context.publishedLimits, directory)] as const,
  );
  const waits = domainWaits(context, selection, new Map(limits));
  const common = { now: context.now(), hours: days * 24, orderMs: pace.orderMs, speeds, waits };
  return context.view.replica.snapshot((reader) =>
    forecastReplacement({ reader, ...common }, selection, ordersPerHour),
  );
}

/** When renewals go, in hours from now on: at each CA of the plan as many as it takes, at any other as they come due. */
function renewals(
  duties: readonly DutyCount[],
  counters: readonly Counter[],
  { now, hours }: { readonly now: Date; readonly hours: number },
) {
  const byDirectory = new Map(
    counters.map((counter) => {
      const here = duties.filter(({ traits }) => traits.directory === counter.directory);
      return [counter.directory, renewByHour(byHour(here, now, hours), counter)];
    }),
  );
  const elsewhere = byHour(
    duties.filter(({ traits: { directory } }) => directory === undefined || !byDirectory.has(directory)),
    now,
    hours,
  );
  const all = [elsewhere, ...[...byDirectory.values()].map((each) => each.byHour)];
  return {
    byHour: Array.from({ length: hours }, (_, hour) => all.reduce((sum, counts) => sum + (counts[hour] ?? 0), 0)),
    at: (directory: string) => byDirectory.get(directory) ?? { leftOver: 0, longestDelayMs: 0 },
  };
}

/** Plans on the replica as it is. */
export function plan(
  context: Context,
  config: Configuration,
  { days = DAYS, newNames, revoke, ordersPerHour, orderSeconds = ORDER_SECONDS }: PlanRequest,
): Plan {
  const { view, publishedLimits } = context;
  const now = context.now();
  const pace = paceOf(config, orderSeconds);
  const counters = countersOf(context, config, pace);
  const directory = defaultDirectory(config);
  const limits = limitsOfAuthority(config, publishedLimits, directory);
  const forNew = { state: view.state, now, directory, limits, paces: pacesOf(pace, limits), orderMs: pace.orderMs };
  const history = rootHistoryOf(view);
  const selection = revoke && selectionOf(resolvePredicate(revoke, config, history), history);
  return view.replica.snapshot((reader) => {
    const planned = renewals(reader.countDuties({ traits: () => true }), counters, { now, hours: days * 24 });
    return {
      at: now,
      position: reader.checkpoint().position,
      certificates: reader.countServed(),
      dueNow: reader.countDue(now),
      days: Array.from({ length: days }, (_, day) => ({
        from: new Date(now.getTime() + day * DAY_MS),
        renewals: planned.byHour.slice(day * 24, day * 24 + 24).reduce((sum, count) => sum + count, 0),
      })),
      authorities: counters.map(({ perOrderMs: _, burst: __, capacity: ___, ...shown }) => {
        const { leftOver, longestDelayMs } = planned.at(shown.directory);
        return { ...shown, longestDelaySeconds: Math.ceil(longestDelayMs / 1000), leftOver };
      }),
      newNames: newNames && forecastNewNames(newNames, forNew),
      revocation: selection && forecastSelection(context, config, { selection, ordersPerHour, days, orderSeconds }),
    };
  });
}
