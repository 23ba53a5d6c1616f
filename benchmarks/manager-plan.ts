/** What a plan costs on a bus of many certificates. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { ownFolder, replicaPath } from '@certbus/replica';
import { run, temporaryFolder } from 'certbus-services';
import { installCommandLine } from './command-line.ts';
import { type Benchmark, quantile } from './figure.ts';
import { type PreparedFleet, prepareFleet } from './prepared-fleet.ts';

/** What `certbus plan --json` prints, as far as it is looked at. */
interface Printed {
  readonly result: {
    readonly newNames: { readonly certificates: number } | null;
    readonly revocation: { readonly certificates: number } | null;
  };
}

const NEW_NAMES = 4_000;

/** A module that a process loads before its program, which puts its clock forward. */
const clockAhead = (aheadMs: number): string =>
  `data:text/javascript,${encodeURIComponent(`
const Real = Date;
globalThis.Date = class extends Real {
  constructor(...given) { super(...(given.length > 0 ? given : [Real.now() + ${aheadMs}])); }
  static now() { return Real.now() + ${aheadMs}; }
};`)}`;

/** Makes the local configuration of a manager of a fleet in an empty folder, and lets it find the replica, which a plan only reads. */
function configure(
  folder: string,
  { bus, trust, managerKey, replica }: PreparedFleet,
): Readonly<Record<string, string>> {
  const state = join(folder, 'state');
  const path = replicaPath({ stateDirectory: ownFolder(state), role: 'manager', address: bus });
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  symlinkSync(replica, path);
  writeFileSync(join(folder, 'bus.pub'), `${formatTrust(trust)}\n`);
  writeFileSync(join(folder, 'manager.key'), managerKey, { mode: 0o600 });
  writeFileSync(join(folder, 'certbus.json'), JSON.stringify({ bus, trust: './bus.pub', managerKey: './manager.key' }));
  return { CERTBUS_STATE_DIR: state, HOME: folder };
}

/**
 * `manager.plan`: `certbus plan --new 4000 --revoke`, packed and installed, from the start of its process to its end: the bus is caught up, and everything
 * is counted and rehearsed. Its clock shows an instant at which none of the certificates is due.
 */
export const managerPlan: Benchmark = async ({ quick }) => {
  const count = quick ? 100_000 : 1_000_000;
  const prepared = await prepareFleet(count);
  const { program, remove } = await installCommandLine();
  const machine = temporaryFolder();
  try {
    const env = configure(machine.path, prepared);
    const clock = clockAhead(prepared.now.getTime() - Date.now());
    const args = ['--import', clock, program, 'plan', '--new', String(NEW_NAMES), '--revoke', '--json'];
    const samples: number[] = [];
    for (let n = 0; n < (quick ? 3 : 9); n += 1) {
      const before = performance.now();
      const output = await run(process.execPath, args, { cwd: machine.path, env });
      samples.push((performance.now() - before) / 1000);
      const { newNames, revocation } = (JSON.parse(output) as Printed).result;
      if (revocation?.certificates !== count || newNames?.certificates !== NEW_NAMES)
        throw new Error('the plan left something out');
    }
    const [value, low, high] = [0.5, 0.25, 0.75].map((at) => quantile(samples, at)) as [number, number, number];
    return [{ figure: 'manager.plan', unit: 's', value, low, high, n: samples.length }];
  } finally {
    machine.remove();
    remove();
  }
};
