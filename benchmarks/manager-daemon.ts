/** What a daemon costs that has nothing to renew. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { runOnFleet } from './fleet-site.ts';
import type { DaemonCost, DaemonTask } from './manager-daemon-process.ts';
import { type PreparedFleet, prepareFleet } from './prepared-fleet.ts';

const PROGRAM = fileURLToPath(new URL('./manager-daemon-process.ts', import.meta.url));
const ASKING = fileURLToPath(new URL('./manager-asking-process.ts', import.meta.url));
const MINUTES_AN_HOUR = 60;
/** Let's Encrypt wants to be asked about every certificate every six hours. */
const MINUTES_BETWEEN = 360;
const DAY_MS = 86_400_000;

async function watchDaemon(fleet: PreparedFleet, slices: Pick<DaemonTask, 'seconds' | 'slices'>): Promise<DaemonCost> {
  const folder = temporaryFolder();
  try {
    const task: DaemonTask = { fleet, folder: folder.path, ...slices };
    const child = fork(PROGRAM, [JSON.stringify(task)], { execArgv: ['--conditions=certbus:source'] });
    const ended = once(child, 'exit');
    const [cost] = (await Promise.race([once(child, 'message'), ended])) as [DaemonCost | number];
    if (typeof cost !== 'object') throw new Error(`the daemon ended with status ${cost}`);
    if (child.connected) child.disconnect();
    await ended;
    return cost;
  } finally {
    folder.remove();
  }
}

/**
 * `manager.daemon`: CPU time of all threads of `certbus run` for an hour, on 1,000,000 certificates of which none is due, at a CA that does not
 * say when it wants certificates renewed; `.rss`: the most memory that the process holds; `.ari`: the same hour at a CA that wants to be asked about each every
 * six hours. What a slice takes stands for an hour; the check of the replica, which a daemon begins with, is counted as once a day.
 */
export const managerDaemon: Benchmark = async ({ quick }) => {
  const certificates = quick ? 100_000 : 1_000_000;
  const prepared = await prepareFleet(certificates);
  const { cpuSecondsAnHour: idle, rssMegabytes } = await watchDaemon(prepared, { seconds: 10, slices: quick ? 2 : 5 });
  const from = new Date(prepared.now.getTime() + DAY_MS);
  const window = {
    start: new Date(from.getTime() + 30 * DAY_MS).toISOString(),
    end: new Date(from.getTime() + 31 * DAY_MS).toISOString(),
  };
  const work = { from, window, rounds: quick ? 2 : 5, each: Math.round(certificates / MINUTES_BETWEEN) };
  const minutes = await runOnFleet<number[]>(ASKING, prepared, work);
  const figure = (name: string, unit: Figure['unit'], samples: readonly number[]): Figure => {
    const [value, low, high] = [0.5, 0.25, 0.75].map((at) => quantile(samples, at)) as [number, number, number];
    return { figure: name, unit, value, low, high, n: samples.length };
  };
  const rest = quantile(idle, 0.5);
  return [
    figure('manager.daemon', 'CPU s', idle),
    figure('manager.daemon.rss', 'MB', [rssMegabytes]),
    figure(
      'manager.daemon.ari',
      'CPU s',
      minutes.map((minute) => minute * MINUTES_AN_HOUR + rest),
    ),
  ];
};
