/** A day of a bus of a million certificates, of which some come due in each hour, while new names wait. */
import { type Manager, ManagerError } from '@certbus/manager';
import type { FleetCaReport } from '../fleet-ca-process.ts';
import { type AdvanceFleetCa, onCopy, openTaskManager } from '../fleet-site.ts';
import type { FleetTask } from '../fleet-task.ts';
import { FIRST_DUE, prepareFleet } from '../prepared-fleet.ts';
import { measuredOn, mega, type Part, type PartResult } from './part.ts';

const FLEET = 1_000_000;
const HOURS = 24;
/** Certificates of 45 days are renewed after 30. */
const PERIOD_DAYS = 30;
const HOUR_MS = 3_600_000;
/** Let's Encrypt's 300 orders in three hours let them go within a day, of which each is a registered domain of its own. */
const OWN = Array.from({ length: 2_000 }, (_, n) => `new${n}.test`);
/** More than Let's Encrypt's 50 of one registered domain in a week. */
const SHARED = Array.from({ length: 100 }, (_, n) => `h${n}.shared.test`);
const { signal } = new AbortController();

/** With fewer certificates fewer come due in an hour; the new names are the same. */
export const millionDay: Part = { certificates: FLEET, publishedFrom: FLEET, run };

/** How the new names of a day went. */
interface NewNames {
  readonly forecast: { readonly doneAt: Date; readonly boundBy: string };
  own: number;
  shared: number;
  doneAt?: Date;
}

/** What a day was like. */
interface Day {
  readonly each: number;
  readonly began: Date;
  readonly renewed: number;
  /** How often a certificate was not renewed, by what became of it. */
  readonly others: number;
  readonly newNames: NewNames;
  readonly ca: FleetCaReport;
  readonly cpuSeconds: number;
  readonly seconds: number;
}

/** Issues names in their order until the CA has no room for one, and resolves with how many were. */
async function issueWhileRoom(manager: Manager, names: readonly string[]): Promise<number> {
  let issued = 0;
  for (const name of names) {
    try {
      await manager.issue({ names: [name] }, { signal });
    } catch (error) {
      if (error instanceof ManagerError && error.code === 'CERTBUS_MANAGER_LIMIT_REACHED') return issued;
      throw error;
    }
    issued += 1;
  }
  return issued;
}

async function liveThrough(task: FleetTask, advanceCa: AdvanceFleetCa): Promise<Day> {
  const { manager, now, advance, close } = await openTaskManager(task);
  const [began, start, before] = [now(), performance.now(), process.cpuUsage()];
  const { newNames: forecast } = await manager.plan({ newNames: { names: OWN.map((name) => [name]) } });
  if (!forecast) throw new TypeError('a forecast was asked for');
  const newNames: NewNames = { forecast, own: 0, shared: 0 };
  let [renewed, others] = [0, 0];
  let ca = await advanceCa(0);
  for (let hour = 1; hour <= task.rounds; hour += 1) {
    newNames.own += await issueWhileRoom(manager, OWN.slice(newNames.own));
    if (newNames.own === OWN.length) newNames.doneAt ??= now();
    newNames.shared += await issueWhileRoom(manager, SHARED.slice(newNames.shared));
    // What a fleet of this size has in an hour is due within seconds here.
    const run = await manager.runOnce({ at: new Date(FIRST_DUE.getTime() + hour * task.each - 1) });
    renewed += run.renewed;
    others += run.outcomes.length - run.renewed;
    advance(HOUR_MS);
    ca = await advanceCa(HOUR_MS);
    console.error(`hour ${hour}: ${renewed} renewed, ${newNames.own + newNames.shared} new, ${ca.refused} refused`);
  }
  const { user, system } = process.cpuUsage(before);
  const seconds = (performance.now() - start) / 1_000;
  await close();
  return { each: task.each, began, renewed, others, newNames, ca, cpuSeconds: (user + system) / 1e6, seconds };
}

function problemsOf({ each, renewed, others, newNames, ca }: Day): string[] {
  const { own, shared, doneAt, forecast } = newNames;
  const holds = (condition: boolean, otherwise: string) => (condition ? [] : [otherwise]);
  // It is looked at once in an hour.
  const lateMs = (doneAt?.getTime() ?? Number.POSITIVE_INFINITY) - forecast.doneAt.getTime();
  return [
    ...holds(renewed === each * HOURS && others === 0, `${renewed} were renewed, and ${others} times one was not`),
    ...holds(ca.orders === renewed + own + shared, `the CA counted ${ca.orders} orders`),
    ...holds(ca.refused === 0, `the CA refused ${ca.refused} requests for limits`),
    ...holds(
      Math.abs(lateMs) <= 1.5 * HOUR_MS,
      `the new names were done ${Math.round(lateMs / 60_000)} minutes after the forecast`,
    ),
    ...holds(shared > 0 && shared <= 50, `${shared} of one domain were issued`),
  ];
}

const count = (number: number): string => number.toLocaleString('en');
const hours = (from: Date, to: Date | undefined): string =>
  to ? `${((to.getTime() - from.getTime()) / HOUR_MS).toFixed(1)} hours` : 'not within the day';

function describe(certificates: number, day: Day, problems: readonly string[]): string {
  const { began, renewed, newNames, ca, cpuSeconds, seconds } = day;
  return `## A day of ${count(certificates)} certificates of 45 days

${measuredOn()}, in ${Math.round(seconds / 60)} minutes. One manager on a SQLite bus runs once in each hour of virtual time, and renews what comes due in it, a
thirtieth of all in the day; new names, each in a domain of its own, and then ${count(SHARED.length)} in one domain, are asked for as long as there is room. The CA is our strict ACME server with
Let's Encrypt's limits on the same clock, without renewal information, that knows the fleet's names from before, and without a look at challenges.

- ${count(renewed)} renewals, each once; ${count(ca.orders)} orders and ${count(ca.requests)} requests by the CA's count, of which its limits refused ${count(ca.refused)}.
- ${count(newNames.own)} new names were done after ${hours(began, newNames.doneAt)}, by the forecast after ${hours(began, newNames.forecast.doneAt)}, limited by ${newNames.forecast.boundBy}; of the ${count(SHARED.length)} in one domain ${newNames.shared} were issued.
- The manager took ${count(Math.round(cpuSeconds))} seconds of a processor, and ${mega(process.resourceUsage().maxRSS * 1024)} of memory at most.

${problems.length === 0 ? 'All of it held.' : problems.join('; ')}
`;
}

async function run(certificates: number): Promise<PartResult> {
  const prepared = await prepareFleet(certificates);
  const each = Math.round(certificates / PERIOD_DAYS / HOURS);
  const from = new Date(FIRST_DUE.getTime() - HOURS * HOUR_MS);
  const days: Day[] = [];
  await onCopy(prepared, { from, rounds: HOURS, each, isLimited: true }, async (task, advanceCa) => {
    days.push(await liveThrough(task, advanceCa));
  });
  const [day] = days;
  if (!day) throw new TypeError('a day was lived through');
  const problems = problemsOf(day);
  return { section: describe(certificates, day, problems), problems };
}
