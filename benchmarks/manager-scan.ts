/** What a run of renewals costs in which there is nothing to do. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Benchmark, quantile } from './figure.ts';
import { openFleetManager, prepareFleet } from './prepared-fleet.ts';

/** The CPU time of this process, and its longest turn of the event loop, while something runs. */
async function measure(run: () => Promise<void>): Promise<{ readonly cpuSeconds: number; readonly stallMs: number }> {
  const turns = monitorEventLoopDelay({ resolution: 1 });
  turns.enable();
  await sleep(20);
  turns.reset();
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  // The last turn is seen by the timer behind it only.
  await sleep(5);
  turns.disable();
  return { cpuSeconds: (user + system) / 1e6, stallMs: turns.max / 1e6 };
}

const spread = (samples: readonly number[]) => ({
  value: quantile(samples, 0.5),
  low: quantile(samples, 0.25),
  high: quantile(samples, 0.75),
  n: samples.length,
});

/**
 * `manager.scan`: `renewDue` over certificates of which none is due, with whom to ask about renewal windows: nobody. Each time by a manager
 * that was just opened, as from cron.
 */
export const managerScan: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(quick ? 100_000 : 1_000_000);
  const { signal } = new AbortController();
  const samples: Awaited<ReturnType<typeof measure>>[] = [];
  for (let n = 0; n < (quick ? 3 : 11); n += 1) {
    const { manager, close } = await openFleetManager(prepared);
    try {
      const sample = await measure(async () => {
        const outcomes = await manager.renewDue({ signal });
        if (outcomes.length > 0) throw new Error('something was due');
      });
      samples.push(sample);
    } finally {
      await close();
    }
  }
  return [
    { figure: 'manager.scan', unit: 'CPU s', ...spread(samples.map(({ cpuSeconds }) => cpuSeconds)) },
    { figure: 'manager.scan.stall', unit: 'ms', ...spread(samples.map(({ stallMs }) => stallMs)) },
  ];
};
