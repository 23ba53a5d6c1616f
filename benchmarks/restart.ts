/** What a restart of a load balancer with a million certificates takes, and one name of them. */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseTrust } from '@certbus/events';
import { openReplica } from '@certbus/replica';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { fleetName } from './fleet.ts';
import { type PreparedClient, prepareClient } from './prepared-client.ts';

const PROGRAM = fileURLToPath(new URL('./restarted-server.mjs', import.meta.url));
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const LOOKUPS = 2_000;

/** Builds the packages that the server runs. */
function build(): void {
  execFileSync('node_modules/.bin/tsc', ['-b', 'packages/client/tsconfig.build.json'], { cwd: ROOT });
}

function figureOf(figure: string, unit: Figure['unit'], samples: readonly number[]): Figure {
  const [value, low, high] = [0.5, 0.25, 0.75].map((share) => quantile(samples, share));
  if (value === undefined || low === undefined || high === undefined) throw new TypeError('three were asked for');
  return { figure, value, unit, low, high, n: samples.length };
}

/** Has the system forget what it has read of the state (dd of GNU coreutils, `oflag=nocache`). */
function forget({ replica }: PreparedClient): void {
  for (const path of ['', '-wal', '.keys'].map((end) => replica + end).filter((each) => existsSync(each))) {
    execFileSync('sync', [path]);
    execFileSync('dd', [`of=${path}`, 'oflag=nocache', 'conv=notrunc', 'count=0', 'status=none']);
  }
}

/** Has the system keep all of the state in memory, as far as there is room. */
function remember({ replica }: PreparedClient): void {
  execFileSync('dd', [`if=${replica}`, 'of=/dev/null', 'bs=1M', 'status=none']);
}

async function restart({ bus, identity, trust, stateDirectory, roots: ca, name: servername }: PreparedClient) {
  const options = JSON.stringify({ bus, identity, trust, stateDirectory, ca, servername });
  const server = fork(PROGRAM, [options], { execArgv: [] });
  const [answer] = (await once(server, 'message')) as [{ seconds: number; megabytes: number }];
  server.kill();
  await once(server, 'close');
  return answer;
}

/** Microseconds of CPU for one random name. `before` is called before each slice. */
async function lookUp(
  { replica: path, trust }: PreparedClient,
  { certificates, slices, before: prepare }: { certificates: number; slices: number; before: () => void },
) {
  const replica = await openReplica({ path, busId: parseTrust(trust).busId, role: 'client' });
  const samples: number[] = [];
  // The first slice reads what SQLite keeps from then on.
  for (let slice = 0; slice <= slices; slice += 1) {
    prepare();
    const names = Array.from({ length: LOOKUPS }, () => fleetName(Math.floor(Math.random() * certificates)));
    const before = process.threadCpuUsage();
    for (const name of names) if (replica.lookup(name).length !== 1) throw new Error(`${name} was not found`);
    const { user, system } = process.threadCpuUsage(before);
    if (slice > 0) samples.push((user + system) / LOOKUPS);
  }
  await replica.close();
  return samples;
}

/**
 * `restart.first-handshake`, `.cold-disk`: from the start of Node to the first handshake, with the replica in the page cache and without;
 * `restart.rss`: the memory of the process then. `lookup.disk`, `.cold`: one random name, with the replica in the page cache and without.
 */
export const restarts: Benchmark = async ({ quick }) => {
  const certificates = quick ? 100_000 : 1_000_000;
  const times = quick ? 3 : 21;
  build();
  const prepared = await prepareClient(certificates);
  const [warm, cold]: Awaited<ReturnType<typeof restart>>[][] = [[], []];
  await restart(prepared);
  for (let n = 0; n < times; n += 1) {
    warm?.push(await restart(prepared));
    forget(prepared);
    cold?.push(await restart(prepared));
  }
  const slices = { certificates, slices: times };
  const cached = await lookUp(prepared, { ...slices, before: () => remember(prepared) });
  const uncached = await lookUp(prepared, { ...slices, before: () => forget(prepared) });
  const seconds = (samples: typeof warm = []) => samples.map((sample) => sample.seconds);
  return [
    figureOf('restart.first-handshake', 's', seconds(warm)),
    figureOf('restart.cold-disk', 's', seconds(cold)),
    figureOf(
      'restart.rss',
      'MB',
      (warm ?? []).map(({ megabytes }) => megabytes),
    ),
    figureOf('lookup.disk', 'us', cached),
    figureOf('lookup.disk.cold', 'us', uncached),
  ];
};
