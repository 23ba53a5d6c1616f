/** What a daemon costs that has nothing to renew. */
import { fileURLToPath } from 'node:url';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { runOnFleet, runOnQuietFleet } from './fleet-site.ts';
import type { DaemonCost } from './manager-daemon-process.ts';
import { prepareFleet } from './prepared-fleet.ts';

const PROGRAM = fileURLToPath(new URL('./manager-daemon-process.ts', import.meta.url));
const ASKING = fileURLToPath(new URL('./manager-asking-process.ts', import.meta.url));
const MINUTES_AN_HOUR = 60;
/** Let's Encrypt wants to be asked about every certificate every six hours. */
const MINUTES_BETWEEN = 360;
const DAY_MS = 86_400_000;

/**
 * `manager.daemon`: CPU time of all threads of `certbus run` for an hour, on 1,000,000 certificates of which none is due, at a CA that does not
 * say when it wants certificates renewed; `.rss`: the most memory that the process holds; `.ari`: the same hour at a CA that wants to be asked about each every
 * six hours, in one run a minute. What a slice takes stands for an hour; a run is counted as often as it comes, which is every six hours, and the check of the
 * replica, which a daemon begins with, as once a day.
 */
export const managerDaemon: Benchmark = async ({ quick }) => {
  const certificates = quick ? 100_000 : 1_000_000;
  const prepared = await prepareFleet(certificates);
  const watched = await runOnQuietFleet<DaemonCost>(PROGRAM, prepared, { processes: 1, rounds: quick ? 2 : 5 });
  const idle = watched.flatMap(({ cpuSecondsAnHour }) => cpuSecondsAnHour);
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
    figure(
      'manager.daemon.rss',
      'MB',
      watched.map(({ rssMegabytes }) => rssMegabytes),
    ),
    figure(
      'manager.daemon.ari',
      'CPU s',
      minutes.map((minute) => minute * MINUTES_AN_HOUR + rest),
    ),
  ];
};
