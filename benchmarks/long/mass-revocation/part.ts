/** A mass revocation: rehearsed on a million certificates, and carried out on a tenth of them as a campaign. */
import { fileURLToPath } from 'node:url';
import { openBus } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { startCaProcess } from '../ca-process.ts';
import type { CaReport } from '../mass-ca.ts';
import type { MassResult, MassTask } from '../mass-manager.ts';
import { createMassSite, MASS_STREAM, type MassSite, openMassLog } from '../mass-site.ts';
import { measuredOn, mega, type Part, type PartResult } from '../part.ts';
import { type Phase, runPhase } from '../phase.ts';
import { followTheLast, type LastServed } from './followers.ts';
import { type Rehearsal, rehearse } from './rehearsal.ts';

const REHEARSED = 100_000;
const PUBLISHED = 10_000;
const FOLLOWERS = 1_000;
const PARALLEL = 20;
/** Of the numbers in the names of a prepared fleet. */
const DIGITS = 8;
const MANAGER = fileURLToPath(new URL('../mass-manager.ts', import.meta.url));
const PREFIX = 'revoked';
/** What a forecast adds for the followers. */
const LOOK_MS = 12_000;
/** What happens comes no later and no earlier than its forecast by these parts of the time that was forecast: people plan by it, and hurry for it. */
const [LATE, EARLY] = [0.25, 0.5];

/** A tenth of a million is rehearsed, and so many are carried out; a smaller rehearsal is of ten times as many. */
export const massRevocation: Part = { certificates: REHEARSED, publishedFrom: PUBLISHED, run };

/** Fits the prepared names with a number below this power of ten. */
const patternBelow = (power: number): string => `n${'0'.repeat(DIGITS - String(power - 1).length)}*.fleet.test`;

/** A manager's process, and what it said. */
interface Step extends Phase {
  readonly result: MassResult;
}

/** A campaign that was carried out. */
interface Replacement {
  readonly issued: Step;
  readonly replaced: Step;
  readonly ca: CaReport;
  readonly served: LastServed;
}

async function startManager(site: MassSite, name: string, task: Omit<MassTask, 'site' | 'holder' | 'aheadMs'>) {
  const whole: MassTask = { site, holder: 'one', aheadMs: 0, ...task };
  const phase = await runPhase(name, [MANAGER, JSON.stringify(whole)], { env: process.env, cwd: site.folder });
  return { ...phase, result: JSON.parse(phase.output) as MassResult };
}

/** Issues so many certificates of 45 days at a CA with Let's Encrypt's limits, and replaces them by a campaign. */
async function replace(certificates: number): Promise<Replacement> {
  const folder = temporaryFolder();
  const newOrders = Math.ceil(certificates * 1.2);
  await using ca = await startCaProcess(newOrders);
  try {
    const site = await createMassSite(folder.path, ca, { newOrders });
    const issue = { prefix: PREFIX, count: certificates, profile: 'tlsserver' };
    const issued = await startManager(site, 'issue', { issue });
    // At the speed that this machine has shown.
    const orderSeconds = (issued.result.seconds / certificates) * PARALLEL;
    await ca.ask({ what: 'note' });
    const replaced = await startManager(site, 'replace', { replace: { pattern: `${PREFIX}*`, orderSeconds } });
    const report = await ca.report();
    const log = await openMassLog(site);
    const bus = openBus(log, MASS_STREAM, { trust: site.trust });
    const served = await followTheLast(bus, { followers: FOLLOWERS, trust: site.trust });
    await log.close();
    return { issued, replaced, ca: report, served };
  } finally {
    folder.remove();
  }
}

const refusedBy = ({ statuses }: CaReport): number => (statuses['429'] ?? 0) + (statuses['503'] ?? 0);

/** How far what happened was from its forecast, seconds, and whether that was near. */
function missOf({ startedAt, servedAt }: { readonly startedAt: string; readonly servedAt: string }, fact: Date) {
  const [started, forecast] = [Date.parse(startedAt), Date.parse(servedAt)];
  const [missMs, length] = [fact.getTime() - forecast, forecast - started];
  const isNear = missMs <= LATE * length + LOOK_MS && -missMs <= EARLY * length + LOOK_MS;
  return { seconds: Math.round(missMs / 1_000), isNear };
}

function problemsOf(certificates: number, { replaced, ca, served }: Replacement): string[] {
  const { campaign } = replaced.result;
  const holds = (condition: boolean, otherwise: string) => (condition ? [] : [otherwise]);
  const afterMs = served.servedAt.getTime() - served.writtenAt.getTime();
  const miss = campaign && missOf(campaign, served.servedAt);
  return [
    ...holds(campaign?.state === 'completed', `the campaign is ${campaign?.state ?? 'not there'}`),
    ...holds(campaign?.certificates === certificates, `the forecast was for ${campaign?.certificates} certificates`),
    ...holds(ca.orders === certificates, `${ca.orders} orders were made`),
    ...holds(
      Object.values(ca.issued).every((times) => times === 2),
      'not each was issued twice',
    ),
    ...holds(refusedBy(ca) === 0, `${refusedBy(ca)} requests were refused for limits`),
    ...holds(miss?.isNear === true, `the last one was served ${miss?.seconds} s after the forecast`),
    ...holds(afterMs <= LOOK_MS, `the last follower served the last one ${afterMs} ms after it was written`),
  ];
}

const count = (number: number): string => number.toLocaleString('en');
const minutes = (from: Date, to: Date): string => `${((to.getTime() - from.getTime()) / 60_000).toFixed(1)} minutes`;
const shown = (instant: Date): string => `${instant.toISOString().slice(0, 16).replace('T', ' ')} UTC`;

function describeRehearsal({ certificates, plan, seconds }: Rehearsal): string {
  const { revocation, days, at } = plan;
  if (!revocation) return '';
  const { replacedAt, servedAt, caughtUpAt, longestDelaySeconds, authorities } = revocation;
  const most = Math.max(...days.map(({ renewals }) => renewals));
  return `Rehearsed on ${count(certificates)} certificates of 45 days, of which ${count(most)} come due on the busiest day, in ${seconds.toFixed(1)} s and with nothing
changed: ${count(revocation.certificates)} that were revoked at ${shown(at)} would be replaced by ${shown(replacedAt)}, and the last of them served everywhere ${((servedAt.getTime() - replacedAt.getTime()) / 1_000).toFixed(0)} s later,
limited by ${authorities.map(({ boundBy }) => boundBy).join(' and ')}; an ordinary renewal would wait for ${Math.round(longestDelaySeconds / 60)} minutes at most, and none after ${caughtUpAt ? shown(caughtUpAt) : 'the plan'}.`;
}

function describe(certificates: number, rehearsal: Rehearsal, done: Replacement, problems: readonly string[]): string {
  const { issued, replaced, ca, served } = done;
  const { campaign } = replaced.result;
  const startedAt = new Date(campaign?.startedAt ?? 0);
  const rows = [
    [
      'replaced',
      campaign ? minutes(startedAt, new Date(campaign.replacedAt)) : '',
      minutes(startedAt, served.writtenAt),
    ],
    [
      `served by the last of ${count(FOLLOWERS)} followers`,
      campaign ? minutes(startedAt, new Date(campaign.servedAt)) : '',
      minutes(startedAt, served.servedAt),
    ],
  ].map((row) => `| ${row.join(' | ')} |`);
  const peaks = Object.entries(ca.peaks).map(([resource, most]) => `${resource} ${most}`);
  return `## A mass revocation of ${count(certificates)} certificates

${measuredOn()}. ${describeRehearsal(rehearsal)}

Carried out on ${count(certificates)} certificates of 45 days at our strict ACME server with Let's Encrypt's limits, that on new accounts' orders raised for their first issuance
(${Math.round(issued.seconds)} s), and without a look at challenges: a campaign for a pattern of names, by one manager on a SQLite bus. The forecast was made before it began, with the time
of an order that the first issuance had taken. The followers, with their defaults, follow the end of that bus in virtual time, each commit at the instant that it was written.

| the last one is | forecast | happened |
| --- | --- | --- |
${rows.join('\n')}

- The last one had to be served at most ${LATE * 100} % of the forecast time later than forecast, and at most ${EARLY * 100} % of it earlier.
- ${count(ca.orders)} orders, ${count(ca.requests)} requests, ${count(refusedBy(ca))} answered 429 or 503. Most requests in a second: ${peaks.join(', ')}.
- The manager took ${mega(replaced.peakBytes)} of memory at most.

${problems.length === 0 ? 'All of it held.' : problems.join('; ')}
`;
}

async function run(certificates: number): Promise<PartResult> {
  const rehearsed = certificates >= PUBLISHED ? REHEARSED : certificates;
  const rehearsal = await rehearse(10 * rehearsed, patternBelow(rehearsed));
  const done = await replace(certificates);
  const problems = problemsOf(certificates, done);
  return { section: describe(certificates, rehearsal, done, problems), problems };
}
