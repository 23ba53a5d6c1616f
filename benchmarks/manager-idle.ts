/** What a run of a manager costs in which there is nothing to do. */
import { fileURLToPath } from 'node:url';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { runOnQuietFleet } from './fleet-site.ts';
import { prepareFleet } from './prepared-fleet.ts';

const PROGRAM = fileURLToPath(new URL('./manager-idle-process.mjs', import.meta.url));

/** What a run cost that had nothing to do. */
interface IdleCost {
  /** Of all threads, from opening the manager to the end of the run. */
  readonly cpuSeconds: number;
  /** The longest turn of the event loop in the run. */
  readonly stallMs: number;
  /** The most that the process ever held. */
  readonly rssMegabytes: number;
}

/**
 * `manager.idle`: `runOnce` over certificates of which none is due, at a CA that does not say when it wants certificates renewed, which each run finds in its
 * directory; opening the manager included, the start of the process not, as from cron. Beside it the most memory that such a process holds, and its longest
 * turn.
 */
export const managerIdle: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(quick ? 100_000 : 1_000_000);
  const costs = await runOnQuietFleet<IdleCost>(PROGRAM, prepared, { processes: quick ? 3 : 11 });
  const figure = (name: string, unit: Figure['unit'], of: (cost: IdleCost) => number): Figure => {
    const samples = costs.map(of);
    const [low, value, high] = [quantile(samples, 0.25), quantile(samples, 0.5), quantile(samples, 0.75)];
    return { figure: name, unit, value, low, high, n: samples.length };
  };
  return [
    figure('manager.idle', 'CPU s', ({ cpuSeconds }) => cpuSeconds),
    figure('manager.idle.rss', 'MB', ({ rssMegabytes }) => rssMegabytes),
    figure('manager.idle.stall', 'ms', ({ stallMs }) => stallMs),
  ];
};
