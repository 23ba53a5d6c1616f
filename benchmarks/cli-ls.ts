/** What it costs to list many certificates. */
import { copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { formatTrust } from '@certbus/events';
import { ownFolder, replicaPath } from '@certbus/replica';
import { temporaryFolder } from 'certbus-services';
import { cpuSecondsOf, installCommandLine } from './command-line.ts';
import { type Benchmark, quantile } from './figure.ts';
import { prepareFleet } from './prepared-fleet.ts';

const CERTIFICATES = 100_000;

/** `cli.ls`: CPU time of `certbus cert ls`, packed and installed, of 100,000 certificates on a replica at the head of its bus, the start of the process included. */
export const cliLs: Benchmark = async ({ quick }) => {
  const { bus, trust, replica } = await prepareFleet(CERTIFICATES);
  const { program, remove } = await installCommandLine();
  const machine = temporaryFolder();
  try {
    const state = join(machine.path, 'state');
    const copy = replicaPath({ stateDirectory: ownFolder(state), role: 'manager', address: bus });
    mkdirSync(dirname(copy), { recursive: true, mode: 0o700 });
    copyFileSync(replica, copy);
    writeFileSync(join(machine.path, 'bus.pub'), `${formatTrust(trust)}\n`);
    writeFileSync(join(machine.path, 'certbus.json'), JSON.stringify({ bus, trust: './bus.pub' }));
    const options = { cwd: machine.path, env: { CERTBUS_STATE_DIR: state, HOME: machine.path } };
    const samples: number[] = [];
    for (let n = 0; n < (quick ? 3 : 11); n += 1) samples.push(await cpuSecondsOf([program, 'cert', 'ls'], options));
    const [value, low, high] = [0.5, 0.25, 0.75].map((at) => quantile(samples, at)) as [number, number, number];
    return [{ figure: 'cli.ls', unit: 'CPU s', value, low, high, n: samples.length }];
  } finally {
    machine.remove();
    remove();
  }
};
