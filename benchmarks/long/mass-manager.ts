import type { Manager } from '@certbus/manager';
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
  /** Issue these, or renew what is due until nothing is. */
  readonly issue?: Batch;
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

/** Runs as `certbus cert renewable --renew-all` does, until one finds nothing to do or renews nothing. */
async function renew(manager: Manager): Promise<Pick<MassResult, 'outcomes' | 'runs'>> {
  const outcomes: Record<string, number> = {};
  for (let runs = 1; ; runs += 1) {
    const before = outcomes['renewed'];
    for (const { outcome, error } of (await manager.runOnce({ signal })).outcomes) {
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1;
      if (outcome === 'failed') console.error(String(error));
    }
    if (outcomes['postponed'] !== undefined || outcomes['renewed'] === before) return { outcomes, runs };
  }
}

const task: MassTask = JSON.parse(process.argv[2] ?? '');
const now = () => new Date(Date.now() + task.aheadMs);
await withManager(task.site, { holder: task.holder, now }, async (manager) => {
  await manager.refresh();
  const began = performance.now();
  const { outcomes, runs } = await (task.issue ? issue(manager, task.issue) : renew(manager));
  const seconds = (performance.now() - began) / 1_000;
  let attempts = 0;
  for (const { failure } of manager.state.all()) attempts = Math.max(attempts, failure?.attempt ?? 0);
  const result: MassResult = { outcomes, runs, seconds, attempts, dueAfter: manager.due().length };
  console.log(JSON.stringify(result));
});
