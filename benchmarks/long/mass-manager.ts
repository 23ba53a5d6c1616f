import type { Manager, RunResult } from '@certbus/manager';
import { type MassSite, withManager } from './mass-site.ts';

/** Certificates with numbered names, each in a registered domain of its own. */
export interface Batch {
  readonly prefix: string;
  readonly count: number;
  readonly profile: string;
}

/** What a manager's process is to do, as JSON in its first argument. */
export interface MassTask {
  readonly site: MassSite;
  readonly holder: string;
  /** How far its clock is ahead of the machine's. */
  readonly aheadMs: number;
  /** Issue these, or replace what a pattern fits, or renew what is due until nothing is. */
  readonly issue?: Batch;
  readonly replace?: { readonly pattern: string; readonly orderSeconds: number };
}

/** A campaign: what was forecast before it began, and how it ended. */
export interface MassCampaign {
  readonly certificates: number;
  readonly startedAt: string;
  /** As forecast. */
  readonly replacedAt: string;
  /** As forecast. */
  readonly servedAt: string;
  readonly state: string;
}

/** What came of it. */
export interface MassResult {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly runs: number;
  /** From the first request to renew, without starting. */
  readonly seconds: number;
  /** Highest number of attempts that any certificate is at; 0 where none has failed. */
  readonly attempts: number;
  readonly dueAfter: number;
  /** With `replace`. */
  readonly campaign?: MassCampaign;
}

/** Few, for each that begins needs a nonce of its own. */
const ISSUED_TOGETHER = 10;
const signal = new AbortController().signal;

async function issue(
  manager: Manager,
  { prefix, count, profile }: Batch,
): Promise<Pick<MassResult, 'outcomes' | 'runs'>> {
  let begun = 0;
  const worker = async () => {
    for (let next = begun++; next < count; next = begun++)
      await manager.issue({ names: [`${prefix}${next}.test`], profile }, { signal });
  };
  await Promise.all(Array.from({ length: ISSUED_TOGETHER }, worker));
  return { outcomes: { issued: count }, runs: 1 };
}

/** Runs once, and adds to what became of the certificates. */
async function runOnce(manager: Manager, outcomes: Record<string, number>): Promise<RunResult> {
  const result = await manager.runOnce({ signal });
  for (const { outcome, error } of result.outcomes) {
    outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
    if (outcome === 'failed') console.error(String(error));
  }
  return result;
}

/** Runs as `certbus cert renewable --renew-all` does, until one finds nothing to do or renews nothing. */
async function renew(manager: Manager): Promise<Pick<MassResult, 'outcomes' | 'runs'>> {
  const outcomes: Record<string, number> = {};
  for (let runs = 1; ; runs += 1) {
    const { renewed } = await runOnce(manager, outcomes);
    if (outcomes['postponed'] !== undefined || renewed === 0) return { outcomes, runs };
  }
}

/** Runs until a campaign has ended, or a run of it has renewed nothing. */
async function replace(
  manager: Manager,
  { pattern, orderSeconds }: NonNullable<MassTask['replace']>,
): Promise<Pick<MassResult, 'outcomes' | 'runs' | 'campaign'>> {
  const predicate = { pattern };
  const { forecast } = await manager.planCampaign({ predicate, orderSeconds }, { signal });
  const started = await manager.startCampaign({ predicate }, { signal });
  if (!started) throw new Error(`${pattern} fits nothing`);
  const outcomes: Record<string, number> = {};
  for (let runs = 1; ; runs += 1) {
    const { renewed } = await runOnce(manager, outcomes);
    const { state, startedAt } = await manager.campaign(started.campaignId, { signal });
    if (state === 'running' && renewed > 0) continue;
    const [replacedAt, servedAt] = [forecast.replacedAt.toISOString(), forecast.servedAt.toISOString()];
    const { certificates } = forecast;
    const campaign = { certificates, startedAt: startedAt.toISOString(), replacedAt, servedAt, state };
    return { outcomes, runs, campaign };
  }
}

function carryOut(manager: Manager): Promise<Pick<MassResult, 'outcomes' | 'runs' | 'campaign'>> {
  if (task.issue) return issue(manager, task.issue);
  return task.replace ? replace(manager, task.replace) : renew(manager);
}

const task: MassTask = JSON.parse(process.argv[2] ?? '');
const now = () => new Date(Date.now() + task.aheadMs);
await withManager(task.site, { holder: task.holder, now }, async (manager) => {
  await manager.refresh();
  const began = performance.now();
  const done = await carryOut(manager);
  const seconds = (performance.now() - began) / 1_000;
  let attempts = 0;
  for (const { failure } of manager.state.all()) attempts = Math.max(attempts, failure?.attempt ?? 0);
  const result: MassResult = { ...done, seconds, attempts, dueAfter: manager.due().length };
  console.log(JSON.stringify(result));
});
