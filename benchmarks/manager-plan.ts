/** What a plan costs on a bus of many certificates. */
import { type Benchmark, quantile } from './figure.ts';
import { openFleetManager, prepareFleet } from './prepared-fleet.ts';

/**
 * `manager.plan`: `certbus plan --new 4000 --revoke` by a manager that was just opened, the start of a process excluded: the bus is caught up, and
 * everything is counted and rehearsed.
 */
export const managerPlan: Benchmark = async ({ quick }) => {
  const count = quick ? 100_000 : 1_000_000;
  const prepared = await prepareFleet(count);
  const samples: number[] = [];
  for (let n = 0; n < (quick ? 3 : 9); n += 1) {
    const { manager, close } = await openFleetManager(prepared);
    try {
      const before = performance.now();
      await manager.refresh();
      const { revocation, newNames } = await manager.plan({ newNames: { certificates: 4_000 }, revoke: {} });
      samples.push((performance.now() - before) / 1000);
      if (revocation?.certificates !== count || newNames?.certificates !== 4_000)
        throw new Error('the plan left something out');
    } finally {
      await close();
    }
  }
  const [value, low, high] = [0.5, 0.25, 0.75].map((at) => quantile(samples, at)) as [number, number, number];
  return [{ figure: 'manager.plan', unit: 's', value, low, high, n: samples.length }];
};
