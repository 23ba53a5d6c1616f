/** When there is something to do again, read from indexes: nobody looks through all certificates for it. */
import type { Context } from '../context.ts';
import { dueBy } from '../decide/due.ts';
import type { ManagerState } from '../state/state.ts';
import type { RenewalOutcome } from './outcome.ts';
import { inTurns } from './turns.ts';

/** What waits for something that the bus does not tell, such as the end of an outage, is looked at again so soon. */
const LOOK_AGAIN_MS = 60_000;
/** Nobody who waits for the end of a claim looks more often. */
const SHORTEST_MS = 1_000;
/** A day: what no index knows of shows by then. */
const LONGEST_MS = 86_400_000;

/** What is asked for the next instant. */
export interface Agenda extends Pick<Context, 'now' | 'graceMs'> {
  readonly view: { readonly state: Pick<ManagerState, 'nextDue' | 'due' | 'paused'> };
}

/** What a run leaves behind. */
export interface Leftovers {
  readonly outcomes: readonly RenewalOutcome[];
  readonly awaitsOutage: boolean;
  /** Instants of what is not a renewal. */
  readonly others: readonly (Date | undefined)[];
}

/** The least of as many as a run has outcomes: too many for the arguments of `Math.min`. */
const least = (times: Iterable<number>): number => {
  let found = Number.POSITIVE_INFINITY;
  for (const time of times) found = Math.min(found, time);
  return found;
};

/** When the claims that others hold count no more, so that what they claim is taken over. */
function endsOfClaims({ graceMs }: Agenda, outcomes: readonly RenewalOutcome[]): number[] {
  return outcomes.flatMap(({ outcome, until }) =>
    outcome === 'claimed-elsewhere' && until ? [until.getTime() + graceMs] : [],
  );
}

/** When there is room for what a limit of its CA keeps waiting, by the id of the certificate. */
const waitsOf = (outcomes: readonly RenewalOutcome[]): ReadonlyMap<string, number> =>
  new Map(
    outcomes.flatMap(({ certificateId, limit, until }) => (limit && until ? [[certificateId, until.getTime()]] : [])),
  );

/** Whether all that is due waits for room at its CA: by the bus, it stays due meanwhile. */
async function isAllWaiting({ view }: Agenda, now: Date, waits: ReadonlyMap<string, number>): Promise<boolean> {
  if (waits.size === 0) return false;
  for await (const { certificateId } of inTurns(dueBy(view.state, { at: now, now })))
    if (!waits.has(certificateId)) return false;
  return true;
}

/** When to look again at what is due and was not renewed: at once where a run only reached its limit. */
async function leftAt(context: Agenda, { outcomes, awaitsOutage }: Leftovers): Promise<number> {
  const now = context.now();
  const soon = now.getTime() + LOOK_AGAIN_MS;
  // The CA is asked about what was just obtained, too.
  const hasRenewed = outcomes.some(({ outcome }) => outcome === 'renewed');
  const asked = hasRenewed || awaitsOutage ? soon : Number.POSITIVE_INFINITY;
  const first = context.view.state.nextDue();
  if (!first || first > now) return asked;
  const waits = waitsOf(outcomes);
  const room = least(waits.values());
  const earliest = now.getTime() + SHORTEST_MS;
  if (await isAllWaiting(context, now, waits)) return Math.max(earliest, Math.min(asked, room));
  if (hasRenewed) return now.getTime();
  return Math.max(earliest, Math.min(soon, room, least(endsOfClaims(context, outcomes))));
}

/**
 * The next instant at which anything is due: the earliest that the index of certificates has, that of a question to a CA, of a heartbeat, of
 * room at a CA for what waits for it, or of a look at what else this run could not renew.
 */
export async function nextRun(context: Agenda, leftovers: Leftovers): Promise<Date> {
  const now = context.now();
  const upcoming = context.view.state.nextDue({ after: now })?.getTime() ?? Number.POSITIVE_INFINITY;
  const others = leftovers.others.flatMap((instant) => instant?.getTime() ?? []);
  return new Date(Math.min(now.getTime() + LONGEST_MS, upcoming, await leftAt(context, leftovers), ...others));
}
