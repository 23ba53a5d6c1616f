/** What a run of a manager costs in which there is nothing to do. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import type { IdleCost } from './manager-idle-process.ts';
import { type PreparedFleet, prepareFleet } from './prepared-fleet.ts';

const PROGRAM = fileURLToPath(new URL('./manager-idle-process.ts', import.meta.url));

async function idleCost(prepared: PreparedFleet): Promise<IdleCost> {
  const child = fork(PROGRAM, [JSON.stringify(prepared)], { execArgv: ['--conditions=certbus:source'] });
  const ended = once(child, 'exit');
  const [cost] = (await Promise.race([once(child, 'message'), ended])) as [IdleCost | number];
  if (typeof cost !== 'object') throw new Error(`the run ended with status ${cost}`);
  await ended;
  return cost;
}

/**
 * `manager.idle`: `runOnce` over certificates of which none is due, with whom to ask about renewal windows: nobody; opening the manager
 * included, the start of the process not, as from cron. Beside it the most memory that such a process holds, and its longest turn.
 */
export const managerIdle: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(quick ? 100_000 : 1_000_000);
  const costs: IdleCost[] = [];
  for (let n = 0; n < (quick ? 3 : 11); n += 1) costs.push(await idleCost(prepared));
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
