/** A process of its own: the daemon on a prepared fleet, and what it costs while there is nothing to do. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { formatTrust } from '@certbus/events';
import { replicaPath } from '@certbus/replica';
import { readEnvironment } from '@certbus/runtime';
import { runDaemon } from '@certbus/runtime/daemon';
import { readTask } from './fleet-task.ts';

/** What an idle daemon costs. */
export interface DaemonCost {
  /** Of all threads, in an hour, by each slice. */
  readonly cpuSecondsAnHour: readonly number[];
  /** The most that the process ever held. */
  readonly rssMegabytes: number;
}

/** What the health page says of the last run. */
interface Health {
  readonly ready: boolean;
  readonly lastRun?: { readonly at: string; readonly next: string; readonly due: number };
}

const HOUR_MS = 3_600_000;
/** More in a second than this is the check of the replica, once a day and for minutes. */
const CHECKING_CPU_S = 0.01;
const QUIET_SECONDS = 3;
/** How long a slice is. */
const SECONDS = 10;
const { fleet, ca, aheadMs, rounds: slices } = readTask();
const folder = join(dirname(fleet.replica), 'daemon');
mkdirSync(folder);
const state = join(folder, 'state');
const file = join(folder, 'certbus.json');

/** Lets the daemon find the replica of the fleet. It begins without notes, as it has none at such a CA. */
function useFleet(stateDirectory: string): void {
  const path = replicaPath({ stateDirectory, role: 'manager', address: fleet.bus });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  symlinkSync(fleet.replica, path);
}

writeFileSync(join(folder, 'bus.pub'), `${formatTrust(fleet.trust)}\n`);
writeFileSync(join(folder, 'manager.key'), fleet.managerKey, { mode: 0o600 });
writeFileSync(file, JSON.stringify({ bus: fleet.bus, trust: './bus.pub', managerKey: './manager.key' }));
const variables = { CERTBUS_STATE_DIR: state, HTTPS_PROXY: ca.proxy };
const environment = readEnvironment({ file, variables, acceptStale: true, writeLine: console.error });
useFleet(environment.stateDirectory);

const stop = new AbortController();
const pages = Promise.withResolvers<string>();
const cpu = () => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
};

/** CPU seconds of so much time. */
async function cpuOf(wallSeconds: number): Promise<number> {
  const before = cpu();
  await sleep(wallSeconds * 1_000);
  return cpu() - before;
}

/** CPU seconds until the replica has been checked. */
async function checked(): Promise<number> {
  const before = cpu();
  for (let quiet = 0; quiet < QUIET_SECONDS; ) quiet = (await cpuOf(1)) < CHECKING_CPU_S ? quiet + 1 : 0;
  return cpu() - before;
}

async function watch(): Promise<DaemonCost> {
  const page = await pages.promise;
  const began = cpu();
  const readHealth = async () => (await (await fetch(`${page}/healthz`)).json()) as Health;
  let health = await readHealth();
  for (; !health.ready; health = await readHealth()) await sleep(100);
  const { lastRun } = health;
  if (!lastRun || lastRun.due > 0) throw new Error('something was due');
  const run = cpu() - began;
  const runsAnHour = HOUR_MS / (Date.parse(lastRun.next) - Date.parse(lastRun.at));
  const regular = run * runsAnHour + (await checked()) / 24;
  const cpuSecondsAnHour: number[] = [];
  for (let n = 0; n < slices; n += 1) cpuSecondsAnHour.push(((await cpuOf(SECONDS)) * 3_600) / SECONDS + regular);
  return { cpuSecondsAnHour, rssMegabytes: process.resourceUsage().maxRSS / 1_000 };
}

const running = runDaemon(environment, {
  signal: stop.signal,
  now: () => new Date(Date.now() + aheadMs),
  port: 0,
  log(line) {
    const [page] = /http:\S+/.exec(line) ?? [];
    if (page) pages.resolve(page);
  },
});
running.catch(pages.reject);
const cost = await watch();
stop.abort(new Error('measured'));
await running;
process.send?.(cost);
