/** What a day of renewals costs a manager. */
import { fileURLToPath } from 'node:url';
import { type Benchmark, quantile } from './figure.ts';
import { runOnFleet } from './fleet-site.ts';
import { FIRST_DUE, prepareFleet } from './prepared-fleet.ts';

const PROGRAM = fileURLToPath(new URL('./manager-day-process.ts', import.meta.url));
const HOURS = 24;
const RENEWALS = 33_000;
const HALF_A_DAY_MS = 43_200_000;

/**
 * `manager.day`: CPU time of a manager's process for 33,000 renewals in 24 runs, of 1,000,000 certificates of 45 days, within Let's Encrypt's
 * limits. Some of the hours are run, and their median stands for all.
 */
export const managerDay: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(quick ? 100_000 : 1_000_000);
  const from = new Date(FIRST_DUE.getTime() - HALF_A_DAY_MS);
  const work = { from, rounds: quick ? 2 : 5, each: RENEWALS / HOURS };
  const hours = await runOnFleet<number[]>(PROGRAM, prepared, work);
  const [value, low, high] = [0.5, 0.25, 0.75].map((at) => HOURS * quantile(hours, at)) as [number, number, number];
  return [{ figure: 'manager.day', unit: 'CPU s', value, low, high, n: hours.length }];
};
