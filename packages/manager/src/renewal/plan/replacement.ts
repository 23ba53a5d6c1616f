/** Forecasts when many certificates are replaced, be it by a campaign or after a mass revocation. */
import { campaignPace } from '@certbus/events/history';
import type { DutyCount, ReplicaReader, Selection } from '@certbus/replica';
import type { DomainWait } from './domains.ts';
import { byHour, HOUR_MS } from './hours.ts';
import { rehearseLoad } from './rehearsal.ts';

/** What replacing many certificates at once costs. */
export interface ReplacementForecast {
  readonly certificates: number;
  /** How many of them came from a CA that is not in the configuration, so that they cannot be replaced there. */
  readonly unconfigured: number;
  /** When the last replacement of the others is there. */
  readonly replacedAt: Date;
  /** When every follower that looks at the bus each ten seconds serves the last one. */
  readonly servedAt: Date;
  /** From when on no renewal is late; `undefined` where that is beyond the plan. */
  readonly caughtUpAt: Date | undefined;
  /** The longest that a renewal waits that comes due meanwhile, seconds. */
  readonly longestDelaySeconds: number;
  readonly authorities: readonly {
    readonly name: string;
    readonly certificates: number;
    readonly replacedAt: Date;
    /** What keeps it from going faster: `pace` of the manager, `requests` or `orders` of the CA, `domains` with a domain, or `rate` of the campaign. */
    readonly boundBy: string;
  }[];
}

/** A CA, and how fast its renewals go. */
export interface RenewalSpeed {
  readonly name: string;
  readonly directory: string;
  readonly perOrderMs: number;
  /** How many go at once. */
  readonly burst: number;
  readonly boundBy: string;
}

/** What is forecast from. */
export interface ReplacementContext {
  readonly reader: Pick<ReplicaReader, 'countDuties'>;
  readonly now: Date;
  /** How far it looks. */
  readonly hours: number;
  readonly orderMs: number;
  readonly speeds: readonly RenewalSpeed[];
  /** Of CAs at which a domain has less room than there is to replace, by their directory. Default none. */
  readonly waits?: ReadonlyMap<string, DomainWait>;
}

/** The interval at which followers look at the bus, with its jitter, and the time in which they take a page of it, milliseconds. */
const FOLLOWED_MS = 12_000;

const totalOf = (counts: readonly DutyCount[]): number =>
  counts.reduce((sum, { certificates }) => sum + certificates, 0);

/** Puts so many certificates into the hours that a pace leaves for them, behind what goes at once. */
function spread(
  due: readonly number[],
  certificates: number,
  { burst, perOrderMs }: ReturnType<typeof campaignPace>,
): number[] {
  let left = certificates;
  return due.map((count, hour) => {
    const most = Math.round(HOUR_MS / perOrderMs) + (hour === 0 ? burst : 0);
    const here = Math.min(left, most);
    left -= here;
    return count + here;
  });
}

/** Rehearses the replacement of what is selected, at the pace of a campaign where there is one. */
export function forecastReplacement(
  { reader, now, hours, orderMs, speeds, waits = new Map() }: ReplacementContext,
  selection: Selection,
  ordersPerHour?: number,
): ReplacementForecast {
  const duties = reader.countDuties({ traits: () => true });
  const selected = reader.countDuties(selection);
  const pace = ordersPerHour === undefined ? undefined : campaignPace(ordersPerHour);
  const all = totalOf(selected);
  const pacedMs = pace ? Math.max(0, all - pace.burst) * pace.perOrderMs + (all > 0 ? orderMs : 0) : 0;
  // What is replaced now does not come due later.
  const others = [...duties, ...selected.map((each) => ({ ...each, certificates: -each.certificates }))];
  const paced = speeds.map((speed) => {
    const isHere = ({ traits }: DutyCount) => traits.directory === speed.directory;
    const certificates = totalOf(selected.filter(isHere));
    const due = byHour(others.filter(isHere), now, hours);
    const load = { stretchMs: HOUR_MS, orderMs, perOrderMs: speed.perOrderMs, burst: speed.burst };
    const atOnce = rehearseLoad({ ...load, replaced: certificates, due });
    if (!pace || certificates === 0) return { speed, certificates, ...atOnce, boundBy: speed.boundBy };
    const share = { burst: pace.burst * (certificates / all), perOrderMs: pace.perOrderMs * (all / certificates) };
    const spaced = rehearseLoad({ ...load, replaced: 0, due: spread(due, certificates, share) });
    const isPaced = pacedMs > atOnce.replacedAfterMs;
    const replacedAfterMs = Math.max(pacedMs, atOnce.replacedAfterMs);
    return { speed, certificates, ...spaced, replacedAfterMs, boundBy: isPaced ? 'rate' : speed.boundBy };
  });
  const each = paced.map((forecast) => {
    const wait = waits.get(forecast.speed.directory);
    const waitedMs = (wait?.afterMs ?? 0) + orderMs;
    if (!wait || waitedMs <= forecast.replacedAfterMs) return forecast;
    const { caughtUpAfterMs } = forecast;
    // What comes due for that domain meanwhile waits behind it.
    const caughtUp = caughtUpAfterMs === undefined ? undefined : Math.max(caughtUpAfterMs, waitedMs);
    return { ...forecast, replacedAfterMs: waitedMs, caughtUpAfterMs: caughtUp, boundBy: wait.boundBy };
  });
  const concerned = each.filter(({ certificates }) => certificates > 0);
  const after = (ms: number) => new Date(now.getTime() + ms);
  const caughtUp = concerned.map(({ caughtUpAfterMs = Number.POSITIVE_INFINITY }) => caughtUpAfterMs);
  const last = Math.max(0, ...caughtUp);
  const replacedMs = Math.max(0, ...concerned.map(({ replacedAfterMs }) => replacedAfterMs));
  return {
    certificates: all,
    unconfigured: all - concerned.reduce((sum, { certificates }) => sum + certificates, 0),
    replacedAt: after(replacedMs),
    servedAt: after(replacedMs + (concerned.length > 0 ? FOLLOWED_MS : 0)),
    caughtUpAt: Number.isFinite(last) ? after(last) : undefined,
    longestDelaySeconds: Math.ceil(Math.max(0, ...concerned.map(({ longestDelayMs }) => longestDelayMs)) / 1000),
    authorities: concerned.map(({ speed: { name }, certificates, replacedAfterMs, boundBy }) => {
      return { name, certificates, replacedAt: after(replacedAfterMs), boundBy };
    }),
  };
}
