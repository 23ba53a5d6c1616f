/** How fast a client's replica takes what a bus says: into an empty one, and into one that holds a whole fleet. */
import { execFile } from 'node:child_process';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { openReplayBus, type ReplayBus } from './replay-bus.ts';

const PROCESS = fileURLToPath(new URL('./replay-process.ts', import.meta.url));
const run = promisify(execFile);

/** CPU seconds until a replica is at a position. */
async function replayTo(position: number, { address, trust }: ReplayBus, path: string): Promise<number> {
  const { stdout } = await run(process.execPath, [...process.execArgv, PROCESS, address, trust, path]);
  const reached = JSON.parse(stdout);
  if (reached.position !== position) throw new Error(`the replica is at ${reached.position} and not at ${position}`);
  return reached.cpuSeconds;
}

const rate = (figure: string, against: string, rates: readonly number[]): Figure => ({
  figure,
  value: quantile(rates, 0.5),
  unit: 'events a CPU s',
  against,
  low: quantile(rates, 0.25),
  high: quantile(rates, 0.75),
  n: rates.length,
});

/** `replay.rate`: the whole bus; `replay.rate.full`: renewals of certificates here and there, in a copy of what that gave. */
export const replay: Benchmark = async ({ quick }) => {
  const certificates = quick ? 100_000 : 1_000_000;
  const bus = await openReplayBus({ certificates, renewed: certificates / 20 });
  const folder = temporaryFolder();
  const [whole, copy] = ['whole', 'copy'].map((name) => join(folder.path, name)) as [string, string];
  const [empty, full]: [number[], number[]] = [[], []];
  try {
    for (let n = 0; n < (quick ? 1 : 3); n += 1) {
      for (const path of [whole, copy]) rmSync(path, { recursive: true, force: true });
      bus.hide();
      empty.push(bus.events.first / (await replayTo(bus.end.first, bus, join(whole, 'client.db'))));
      bus.show();
      cpSync(whole, copy, { recursive: true });
      full.push(bus.events.last / (await replayTo(bus.end.last, bus, join(copy, 'client.db'))));
    }
  } finally {
    bus.show();
    folder.remove();
  }
  const size = certificates.toLocaleString('en');
  return [
    rate('replay.rate', `none: ${size} certificates into an empty replica`, empty),
    rate('replay.rate.full', `none: renewals into a replica of ${size} certificates`, full),
  ];
};
