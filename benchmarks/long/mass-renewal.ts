import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { type CaProcess, startCaProcess } from './ca-process.ts';
import type { CaReport } from './mass-ca.ts';
import type { Batch, MassResult, MassTask } from './mass-manager.ts';
import { createMassSite } from './mass-site.ts';
import { measuredOn, mega, type Part, type PartResult } from './part.ts';
import { type Phase, runPhase } from './phase.ts';

const MAX_BYTES = 300_000_000;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const MANAGER = fileURLToPath(new URL('mass-manager.ts', import.meta.url));
/** As on a small machine: left to itself, Node's heap grows by what is there, and gives little back. */
const HEAP = ['--max-semi-space-size=4', '--max-old-space-size=128'];

/**
 * A CA wants all certificates renewed at once, some of which have expired or will tonight: two managers renew each once, within Let's
 * Encrypt's limits. Then a tenth of them again, with an outage in the middle.
 */
export const massRenewal: Part = { certificates: 10_000, publishedFrom: 3_000, run };

interface Step extends Phase {
  readonly result: MassResult;
}

/** Everything that the steps share. */
interface Scene {
  readonly ca: CaProcess;
  readonly certificates: number;
  /** Lets time pass, for the CA and for managers that start afterwards. */
  advance(ms: number): Promise<void>;
  manager(name: string, holder: string, issue?: Batch): Promise<Step>;
  check(holds: boolean, otherwise: string): void;
}

/** How many of each urgency: a twentieth has expired, a twentieth is about to, and all others are asked for by the CA alone. */
const countsOf = (certificates: number) => {
  const few = Math.round(certificates / 20);
  return { lapsed: few, emergency: few, asked: certificates - 2 * few };
};

async function issueAll({ certificates, manager, advance }: Scene): Promise<void> {
  const { lapsed, emergency, asked } = countsOf(certificates);
  await manager('issue those that expire', 'seed', { prefix: 'lapsed', count: lapsed, profile: 'shortlived' });
  await advance(10 * HOUR_MS);
  await manager('issue those that nearly do', 'seed', { prefix: 'emergency', count: emergency, profile: 'shortlived' });
  await advance(151 * HOUR_MS);
  await manager('issue the rest', 'seed', { prefix: 'asked', count: asked, profile: 'classic' });
  // No CA's word is heeded before a certificate is six hours old.
  await advance(7 * HOUR_MS);
}

/** How far a certificate came behind its place: the last of each urgency, less the number of those that are to come before it. */
function delaysOf(ordered: readonly string[], certificates: number): number[] {
  const counts = countsOf(certificates);
  const last = (prefix: string) => ordered.findLastIndex((name) => name.startsWith(prefix)) + 1;
  return [last('lapsed') - counts.lapsed, last('emergency') - counts.lapsed - counts.emergency];
}

const refusals = ({ statuses }: CaReport) => (statuses['429'] ?? 0) + (statuses['503'] ?? 0);
const renewed = (steps: readonly Step[]) =>
  steps.reduce((sum, { result }) => sum + (result.outcomes['renewed'] ?? 0), 0);
const hasCount = ({ issued }: CaReport, prefix: string, count: number) =>
  Object.entries(issued).every(([name, times]) => !name.startsWith(prefix) || times === count);

interface Incident {
  readonly steps: readonly Step[];
  readonly report: CaReport;
  readonly delays: readonly number[];
}

async function renewInIncident({ ca, certificates, manager, check }: Scene): Promise<Incident> {
  await ca.ask({ what: 'incident' });
  await ca.ask({ what: 'note' });
  const steps = await Promise.all([manager('renew, manager one', 'one'), manager('renew, manager two', 'two')]);
  const report = await ca.report();
  const delays = delaysOf(report.ordered, certificates);
  check(renewed(steps) === certificates, `${renewed(steps)} were renewed`);
  check(report.orders === certificates, `${report.orders} orders were made`);
  check(Object.keys(report.issued).length === certificates && hasCount(report, '', 2), 'not each was issued twice');
  check(refusals(report) === 0, `${refusals(report)} requests were refused`);
  check(Math.max(...delays) <= 100, `the most urgent came ${Math.max(...delays)} places late`);
  return { steps, report, delays };
}

interface Outage {
  readonly steps: readonly Step[];
  readonly during: CaReport;
}

async function renewInOutage({ ca, certificates, advance, manager, check }: Scene): Promise<Outage> {
  const wanted = Math.round(certificates / 10);
  const names = Array.from({ length: wanted }, (_, index) => `asked${index}.test`);
  await advance(7 * HOUR_MS);
  await ca.ask({ what: 'incident', names });
  await ca.ask({ what: 'note' });
  await ca.ask({ what: 'outage', afterOrders: Math.round(wanted / 2) });
  const first = await manager('renew a tenth, until the CA is down', 'one');
  const during = await ca.report();
  check((first.result.outcomes['postponed'] ?? 0) > 0, 'nothing was postponed in the outage');
  check(first.result.attempts <= 1, `a certificate is at attempt ${first.result.attempts}`);
  await ca.ask({ what: 'recover' });
  await advance(20 * MINUTE_MS);
  const second = await manager('renew what was postponed', 'one');
  const after = await ca.report();
  check(renewed([first, second]) === wanted, `${renewed([first, second])} of ${wanted} were renewed around the outage`);
  check(
    names.every((name) => after.issued[name] === 3),
    'not each was renewed once around the outage',
  );
  check(after.orders === wanted, `${after.orders} orders were made for ${wanted} renewals around the outage`);
  check(refusals(after) === 0, `${refusals(after)} requests were refused for limits around the outage`);
  return { steps: [first, second], during };
}

async function run(certificates: number): Promise<PartResult> {
  const folder = temporaryFolder();
  const problems: string[] = [];
  const newOrders = Math.ceil(certificates * 1.2);
  await using ca = await startCaProcess(newOrders);
  try {
    const site = await createMassSite(folder.path, ca, { newOrders });
    let aheadMs = 0;
    const steps: Step[] = [];
    const check: Scene['check'] = (holds, otherwise) => {
      if (!holds) problems.push(otherwise);
    };
    const scene: Scene = {
      ca,
      certificates,
      check,
      async advance(ms) {
        aheadMs += ms;
        await ca.ask({ what: 'advance', ms });
      },
      async manager(name, holder, issue) {
        const task: MassTask = { site, holder, aheadMs, ...(issue ? { issue } : {}) };
        const phase = await runPhase(name, [...HEAP, MANAGER, JSON.stringify(task)], {
          env: process.env,
          cwd: folder.path,
        });
        const step = { ...phase, result: JSON.parse(phase.output) as MassResult };
        steps.push(step);
        check(step.peakBytes <= MAX_BYTES, `"${name}" took ${mega(step.peakBytes)} of memory`);
        return step;
      },
    };
    await issueAll(scene);
    const incident = await renewInIncident(scene);
    const outage = await renewInOutage(scene);
    return { section: describe({ certificates, steps, incident, outage, problems }), problems };
  } finally {
    folder.remove();
  }
}

interface Story {
  readonly certificates: number;
  readonly steps: readonly Step[];
  readonly incident: Incident;
  readonly outage: Outage;
  readonly problems: readonly string[];
}

const outcomesOf = ({ result }: Step) =>
  Object.entries(result.outcomes)
    .map(([outcome, count]) => `${outcome} ${count.toLocaleString('en')}`)
    .join(', ');

function describe({ certificates, steps, incident, outage, problems }: Story): string {
  const rows = steps.map(
    (step) => `| ${step.name} | ${Math.round(step.seconds)} s | ${mega(step.peakBytes)} | ${outcomesOf(step)} |`,
  );
  const seconds = Math.max(...incident.steps.map(({ result }) => result.seconds));
  const { report, delays } = incident;
  const { during } = outage;
  const rate = certificates / seconds;
  const peaks = Object.entries(report.peaks).map(([resource, count]) => `${resource} ${count}`);
  const result = problems.length === 0 ? 'All of it held.' : problems.join('; ');
  return `## A mass renewal of ${certificates.toLocaleString('en')} certificates

${measuredOn()}. A CA (our strict ACME server, in a process of its own, with Let's Encrypt's limits, that on new
accounts' orders raised as it does on request, and without a look at challenges) wants all certificates renewed at once; a twentieth has expired
by then, a twentieth will within a day. Two managers, as on two machines, renew until nothing is due. Memory is the kernel's high-water mark of each
process's resident set; the managers run with \`${HEAP.join(' ')}\`, since Node's own choice depends on the machine.

| step | time | memory | outcomes |
| --- | --- | --- | --- |
${rows.join('\n')}

- ${certificates.toLocaleString('en')} renewals in ${Math.round(seconds)} s, which is ${rate.toFixed(1)} orders a second for managers, CA and bus on the same cores, and questions about renewal included.
- Each certificate was renewed once, by the CA's count: ${report.orders.toLocaleString('en')} orders, ${report.requests.toLocaleString('en')} requests, ${refusals(report)} answered 429 or 503.
- Most urgent first: the last expired one came ${delays[0]} places late, the last in an emergency ${delays[1]}, of ${certificates.toLocaleString('en')}; orders under way together overtake each other.
- No burst: at most ${report.mostOrdersInASecond} orders in a second. Most requests in a second: ${peaks.join(', ')}.
- An outage (503 to everything) in the middle of a tenth of them: ${during.refused} requests met it, ${outcomesOf(outage.steps[0] as Step)}; no certificate's back-off advanced, and the next run renewed the rest, none twice.

${result}
`;
}
