/**
 * Certificates of 160 hours in virtual time, while CA, DNS and store fail, the manager is killed and its clock jumps: no name is without a
 * valid certificate for a minute, and no limit of the CA is touched. One program for the small round and the long one.
 */
import { drawFaults, FAULT_KINDS, type FaultKind, type FaultSpan } from './faults.ts';
import type { MachineReport } from './machine-process.ts';
import { type CaCounts, type Scene, startScene } from './scene.ts';
import type { Gap } from './served.ts';

/** How much of it. */
export interface ShortLivedOptions {
  readonly certificates: number;
  readonly days: number;
  /** What the faults are drawn from. */
  readonly seed: number;
  /** Called after each virtual day. */
  readonly onDay?: (day: number, counts: CaCounts) => void;
}

/** What came of it. */
export interface ShortLivedResult {
  readonly ca: CaCounts;
  /** How often each kind of fault began. */
  readonly faults: Readonly<Record<FaultKind, number>>;
  /** How often the manager was killed in the middle of a run. */
  readonly kills: number;
  readonly runs: number;
  /** Runs that rejected as a whole, as for a store that is away. */
  readonly failedRuns: number;
  readonly outcomes: Readonly<Record<string, number>>;
  /** Minutes that were looked at, of all names together. */
  readonly minutes: number;
  readonly gaps: readonly Gap[];
  /** What did not hold. */
  readonly problems: readonly string[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Time between two runs at least, as with a timer of the system. */
const BREATH_MS = 10 * MINUTE_MS;
/** After a failed run, and until a manager that was killed is started again. */
const AGAIN_MS = 5 * MINUTE_MS;
/** At the end nothing goes wrong for so long, so that what was begun is completed. */
const CALM_MS = 12 * HOUR_MS;
/** New names of one registered domain stay below what its limit takes in a week. */
const NAMES_A_DOMAIN = 40;
/** New orders that an account can make in three hours, with some to spare. */
const MOST_TOGETHER = 250;
/** The first certificates are issued in so many groups over half a lifetime, so that something is renewed at any time. */
const GROUPS = 4;
const BETWEEN_GROUPS_MS = 20 * HOUR_MS;

const namesOf = (certificates: number): string[] =>
  Array.from({ length: certificates }, (_, n) => `n${n}.d${Math.floor(n / NAMES_A_DOMAIN)}.test`);

/** Has every name issued once. */
async function issueAll({ run, now, advanceTo }: Scene, names: readonly string[]): Promise<void> {
  const together = Math.min(MOST_TOGETHER, Math.ceil(names.length / GROUPS));
  for (let from = 0; from < names.length; from += together) {
    if (from > 0) advanceTo(now().getTime() + BETWEEN_GROUPS_MS);
    const report = await run(names.slice(from, from + together));
    if (report?.error !== undefined) throw new Error(`the first certificates could not be issued: ${report.error}`);
  }
}

/** When the manager runs next: when it wants to, but not more often than a timer has it run, nor later than the next fault. */
function nextRunAt(report: MachineReport | undefined, now: number, { edges }: { readonly edges: readonly number[] }) {
  const wanted = report?.next === undefined ? now + AGAIN_MS : Math.max(now + BREATH_MS, Date.parse(report.next));
  return Math.min(wanted, ...edges.filter((edge) => edge > now));
}

/** Everything that was counted of the runs. */
function createTally() {
  const tally = { runs: 0, failedRuns: 0, kills: 0, outcomes: {} as Record<string, number>, lastError: '' };
  return {
    tally,
    add(report: MachineReport | undefined): void {
      tally.runs += 1;
      if (!report) tally.kills += 1;
      else if (report.next === undefined) tally.failedRuns += 1;
      if (report?.error !== undefined) tally.lastError = report.error;
      for (const [outcome, count] of Object.entries(report?.outcomes ?? {}))
        tally.outcomes[outcome] = (tally.outcomes[outcome] ?? 0) + count;
    },
  };
}

/** What did not hold in the end. */
async function problemsOf(
  { served, counts, countOrders, leftRecords }: Scene,
  names: readonly string[],
  lastError: string,
): Promise<string[]> {
  const { refused, certificates } = counts();
  const { obtained, givenUp } = await countOrders();
  const lost = certificates - obtained;
  const [gap] = served.gaps;
  const [record, ...records] = leftRecords();
  return [
    ...(served.names === names.length ? [] : [`${served.names} of ${names.length} names were issued`]),
    ...(gap
      ? [
          `${served.gaps.length} times nothing valid was served, first for ${gap.name} from ${gap.from.toISOString()} for ${gap.minutes} minutes (last error: ${lastError})`,
        ]
      : []),
    ...(refused.length > 0 ? [`the CA refused ${refused.length} requests for its limits, first ${refused[0]}`] : []),
    ...(lost >= 0 && lost <= givenUp
      ? []
      : [
          `the CA issued ${certificates} certificates, of which ${obtained} came to the bus; ${givenUp} orders were given up`,
        ]),
    ...(record === undefined ? [] : [`${1 + records.length} TXT records were left, such as that of ${record}`]),
  ];
}

/** Runs it to its end. */
export async function runShortLived({
  certificates,
  days,
  seed,
  onDay = () => {},
}: ShortLivedOptions): Promise<ShortLivedResult> {
  const names = namesOf(certificates);
  await using scene = await startScene(names, { seed });
  const { now, advanceTo, meet, run, served } = scene;
  await issueAll(scene, names);
  const began = now().getTime();
  const ends = began + days * DAY_MS;
  const faults = drawFaults({ days, seed })
    .map((fault): FaultSpan => ({ ...fault, from: began + fault.from, to: began + fault.to }))
    .filter(({ from }) => from < ends - CALM_MS)
    .map((fault): FaultSpan => ({ ...fault, to: Math.min(fault.to, ends - CALM_MS) }));
  const edges = [...faults.flatMap(({ from, to }) => [from, to]), ends].toSorted((one, other) => one - other);
  const { tally, add } = createTally();
  for (let day = 1; now().getTime() < ends; ) {
    const at = now().getTime();
    // A kill has no length: it meets the runs up to the one that it ends.
    meet(faults.filter(({ kind, from, to }) => from <= at && at < (kind === 'kill' ? from + BREATH_MS : to)));
    const report = await run();
    add(report);
    advanceTo(nextRunAt(report, now().getTime(), { edges }));
    for (; day <= days && now().getTime() >= began + day * DAY_MS; day += 1) onDay(day, scene.counts());
  }
  const { lastError, ...counted } = tally;
  const begun = FAULT_KINDS.map((kind) => [kind, faults.filter((fault) => fault.kind === kind).length] as const);
  return {
    ca: scene.counts(),
    faults: Object.fromEntries(begun) as Record<FaultKind, number>,
    ...counted,
    minutes: Math.round(served.minutes),
    gaps: served.gaps,
    problems: await problemsOf(scene, names, lastError),
  };
}
