/** What a report of a client costs. */
import { linkSync, mkdtempSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { connect } from '@certbus/client';
import { formatTrust } from '@certbus/events';
import { replicaPath } from '@certbus/replica';
import { type Benchmark, quantile } from './figure.ts';
import { createFleetKeys } from './fleet.ts';
import { prepareFleet } from './prepared-fleet.ts';

const CALLS = 50;
/** From when none of the fleet has ended to when all have. */
const DAYS = 60;
const DAY_MS = 86_400_000;

/** The time of one report, milliseconds: the median of some, so that what else the machine does is left out. */
function timeReports(report: () => unknown): number {
  const times = Array.from({ length: CALLS }, () => {
    const began = performance.now();
    report();
    return performance.now() - began;
  });
  return quantile(times, 0.5);
}

/**
 * `health.cost`: `health()` of a client whose replica has so many certificates, on every day from before the first of them ends to after the
 * last has.
 */
export const healthCost: Benchmark = async ({ quick }) => {
  const prepared = await prepareFleet(quick ? 100_000 : 1_000_000);
  const stateDirectory = mkdtempSync(join(dirname(prepared.replica), 'state-'));
  // To copy the fleet's replica would take longer than everything else; nobody else has it open.
  linkSync(prepared.replica, replicaPath({ stateDirectory, role: 'client', address: prepared.bus }));
  try {
    let nowMs = prepared.now.getTime();
    const client = await connect({
      bus: prepared.bus,
      identity: (await createFleetKeys()).identity,
      trust: formatTrust(prepared.trust),
      stateDirectory,
      now: () => new Date(nowMs),
    });
    const { served } = client.health().certificates;
    if (served !== (quick ? 100_000 : 1_000_000)) throw new Error(`the replica serves ${served} certificates`);
    const samples: number[] = [];
    for (let day = 0; day < DAYS; day += 1) {
      nowMs += DAY_MS;
      samples.push(timeReports(() => client.health()));
    }
    await client.close();
    return [
      {
        figure: 'health.cost',
        value: quantile(samples, 0.5),
        unit: 'ms',
        low: quantile(samples, 0.25),
        high: quantile(samples, 0.75),
        n: samples.length,
      },
    ];
  } finally {
    rmSync(stateDirectory, { recursive: true });
  }
};
