/** Measures the function, as a process that benchmarks start with a task in JSON: it writes what it measured as JSON, and ends. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { run, startDynamoDbLocal, startLambdaEmulator } from 'certbus-services';
import { unpackBundle } from './bundle/task.builders.ts';
import { createSite, type Site } from './site.builders.ts';

/** What is measured, and how often. */
export interface MeasureTask {
  readonly samples: number;
}

/** Requests by action, and what DynamoDB would charge for the writes among them. */
export interface Counted {
  readonly requests: Readonly<Record<string, number>>;
  readonly writeUnits: number;
}

/** What was measured. */
export interface Measured {
  readonly zipMegabytes: number;
  readonly loadMs: readonly number[];
  readonly coldS: readonly number[];
  readonly warmS: readonly number[];
  /** Of one invocation in which nothing is due. */
  readonly cold: Counted;
  readonly warm: Counted;
  /** Of one renewal, the invocation around it excluded. */
  readonly renewal: Counted;
}

const { signal } = new AbortController();
const COMMITS = 100;
const RENEWALS = 10;
const UNIT_BYTES = 1_024;

const seconds = async (act: () => Promise<unknown>): Promise<number> => {
  const begun = performance.now();
  await act();
  return (performance.now() - begun) / 1_000;
};

/** How long it takes a fresh process to load the handler, milliseconds. */
async function loadMs(task: string): Promise<number> {
  const program = `const begun = performance.now();
await import(${JSON.stringify(pathToFileURL(join(task, 'index.js')).href)});
process.stdout.write(String(performance.now() - begun));`;
  return Number(
    await run(process.execPath, ['--input-type=module', '-e', program], { env: { NODE_COMPILE_CACHE: '' } }),
  );
}

/** Counts what the manager's role asks for while something is done, and what it appends. */
async function count(site: Site, act: () => Promise<unknown>): Promise<Counted> {
  const { decided } = site.account.proxy;
  const [from, before] = [decided.length, await bytesOfCommits(site)];
  await act();
  const seen = decided.slice(from).map(({ action }) => action);
  const after = await bytesOfCommits(site);
  const requests: Record<string, number> = {};
  for (const action of seen) requests[action] = (requests[action] ?? 0) + 1;
  const writeUnits = after.slice(before.length).reduce((sum, bytes) => sum + Math.ceil(bytes / UNIT_BYTES), 0);
  return { requests, writeUnits };
}

/** The sizes of the commits of the bus, bytes. */
async function bytesOfCommits(site: Site): Promise<readonly number[]> {
  return site.manage(async (_, { log }) => {
    const sizes: number[] = [];
    for (let after = 0; ; ) {
      const { commits } = await log.read(site.place.stream, after, { limit: 500, consistent: true });
      sizes.push(...commits.map(({ bytes }) => bytes.length));
      const last = commits.at(-1);
      if (!last) return sizes;
      after = last.position;
    }
  });
}

/** Each count by so many, and without what a run asks for anyway. */
function share({ requests, writeUnits }: Counted, around: Counted, parts: number): Counted {
  const of = (action: string) => ((requests[action] ?? 0) - (around.requests[action] ?? 0)) / parts;
  return {
    requests: Object.fromEntries(Object.keys(requests).map((action) => [action, Math.max(0, of(action))])),
    writeUnits: writeUnits / parts,
  };
}

async function measure({ samples }: MeasureTask): Promise<Measured> {
  const dynamodb = await startDynamoDbLocal();
  const site = await createSite({ dynamodb: dynamodb.endpoint });
  try {
    const { task, bytes } = await unpackBundle(site.folder);
    await site.manage(async (manager, { bus }) => {
      while (manager.checkpoint.position < COMMITS) {
        await bus.append(manager.checkpoint, [{ type: 'Heartbeat' }], { at: new Date() });
        await manager.refresh();
      }
      await manager.snapshot();
    });
    const credentials = site.actAs('certbus-manager', site.policies.manager);
    const [coldS, warmS]: [number[], number[]] = [[], []];
    const measured: Counted[] = [];
    for (let n = 0; n < samples; n += 1) {
      const TMPDIR = join(site.folder, crypto.randomUUID());
      mkdirSync(TMPDIR);
      const emulator = await startLambdaEmulator({ task, variables: { ...site.variables, ...credentials, TMPDIR } });
      try {
        const invoke = async (into: number[]) => into.push(await seconds(() => emulator.invoke()));
        if (n === 0) {
          measured.push(await count(site, () => invoke(coldS)), await count(site, () => invoke(warmS)));
          continue;
        }
        await invoke(coldS);
        await invoke(warmS);
      } finally {
        await emulator.stop();
      }
    }
    const [cold, warm] = measured;
    if (!cold || !warm) throw new TypeError('at least one sample is needed');
    const around = await count(site, () => site.manage((manager) => manager.runOnce()));
    await site.manage(async (manager) => {
      for (let n = 0; n < RENEWALS; n += 1) await manager.issue({ names: [`www${n}.example.test`] }, { signal });
    });
    const at = new Date(Date.now() + 80 * 86_400_000);
    const renewals = await count(site, () => site.manage((manager) => manager.runOnce({ at })));
    const loads: number[] = [];
    for (let n = 0; n < samples * 3; n += 1) loads.push(await loadMs(task));
    const own = (counted: Counted, reading: Counted) => share(counted, reading, 1);
    const reading = await count(site, async () => {});
    return {
      zipMegabytes: bytes / 1e6,
      loadMs: loads,
      coldS,
      warmS,
      cold: own(cold, reading),
      warm: own(warm, reading),
      renewal: share(renewals, around, RENEWALS),
    };
  } finally {
    await site[Symbol.asyncDispose]();
    await dynamodb.stop();
  }
}

const measured = await measure(JSON.parse(process.argv[2] ?? '{}') as MeasureTask);
process.stdout.write(`${JSON.stringify(measured)}\n`);
