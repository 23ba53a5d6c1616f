/** What the command line adds to the orders of many certificates. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run, temporaryFolder } from 'certbus-services';
import { openCertBus } from './acme/contender.ts';
import { openStrictCa } from './acme/strict-ca.ts';
import { installCommandLine } from './command-line.ts';
import type { Benchmark } from './figure.ts';
import { interleave, ratioOf } from './slices.ts';

const CERTIFICATES = 1_000;
/** As `cert mk --from` has under way at once unless told. */
const PARALLEL = 20;

/**
 * `cli.mk.bulk`: time of `certbus cert mk --from` for each of 1,000 names at the strict ACME server, over that of the ACME engine alone,
 * which proves as many names by DNS-01 at the same server. The start of the process is counted.
 */
export const cliMkBulk: Benchmark = async ({ quick }) => {
  const count = quick ? CERTIFICATES / 10 : CERTIFICATES;
  const { program, remove } = await installCommandLine();
  const machine = temporaryFolder();
  const ca = await openStrictCa();
  const engine = await openCertBus(ca);
  const env = { HOME: machine.path, CERTBUS_STATE_DIR: join(machine.path, 'state') };
  const certbus = (...args: string[]) => run(process.execPath, [program, ...args], { cwd: machine.path, env });
  let made = 0;
  const nextNames = () =>
    Array.from({ length: count }, () => {
      made += 1;
      return `n${made}.test`;
    });
  const secondsEach = async (work: () => Promise<unknown>) => {
    const began = performance.now();
    await work();
    return (performance.now() - began) / 1_000 / count;
  };
  const ours = async () => {
    await writeFile(join(machine.path, 'names.txt'), `${nextNames().join('\n')}\n`);
    return secondsEach(() => certbus('cert', 'mk', '--from', 'names.txt', '--quiet'));
  };
  const alone = async () => {
    const orders = { orders: nextNames().map((name) => [name]), parallel: PARALLEL };
    const { lost, ms } = await engine.obtain(orders, { signal: new AbortController().signal });
    if (lost.length > 0) throw new Error(`the engine lost ${lost.length} orders: ${lost[0]}`);
    return ms / 1_000 / count;
  };
  try {
    await writeFile(join(machine.path, 'roots.pem'), ca.roots);
    const authority = ['--directory', ca.directory, '--roots', 'roots.pem', '--agree-tos', '--yes'];
    await certbus(
      'init',
      ...authority,
      '--dns-provider',
      'challtestsrv',
      '--dns-url',
      ca.answers,
      '--resolver',
      ca.dns,
    );
    const contenders = { ours, peer: alone, again: alone };
    // Until the compilers of the CA and of the engine have seen everything.
    await interleave(1, contenders);
    const measures = await interleave(quick ? 2 : 5, contenders);
    return [ratioOf('cli.mk.bulk', { against: 'the ACME engine alone', ...measures })];
  } finally {
    await engine.close();
    await ca.close();
    machine.remove();
    remove();
  }
};
