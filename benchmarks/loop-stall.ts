/** How long the main thread of a load balancer is busy at a time while a mass of certificates arrives. */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type Figure, quantile } from './figure.ts';
import { openReplayBus } from './replay-bus.ts';

const PROCESS = fileURLToPath(new URL('./loop-stall-process.ts', import.meta.url));

interface Report {
  readonly following: boolean;
  readonly changed: number;
  readonly turns: readonly number[];
}

async function nextOf<T>(child: ChildProcess): Promise<T> {
  const [message] = (await once(child, 'message')) as [T];
  return message;
}

function figuresOf(figure: string, { turns, changed }: Report): Figure[] {
  const [low, high] = [quantile(turns, 0.25), quantile(turns, 0.75)];
  const common = {
    unit: 'ms',
    against: `none: CPU of a turn, ${changed.toLocaleString('en')} changes told`,
    low,
    high,
  } as const;
  return [
    { figure, value: quantile(turns, 0.999), n: turns.length, ...common },
    { figure: `${figure}.max`, value: Math.max(...turns), n: turns.length, ...common },
  ];
}

/**
 * `loop.stall`: CPU of one turn of the main thread, 99.9 % of them, while all the certificates of a fleet are renewed at once, in the process that
 * follows the bus; `.watcher`: in one that reads along; `.max`: the longest turn.
 */
export const loopStall: Benchmark = async ({ quick }) => {
  const certificates = quick ? 10_000 : 100_000;
  const bus = await openReplayBus({ certificates, renewed: certificates });
  const folder = temporaryFolder();
  const children: ChildProcess[] = [];
  bus.hide();
  try {
    const args = [bus.address, bus.identity, bus.trust, folder.path, String(bus.end.last)];
    for (let n = 0; n < 2; n += 1) {
      const child = fork(PROCESS, args);
      children.push(child);
      await nextOf(child);
    }
    const reports = children.map((child) => nextOf<Report>(child));
    bus.show();
    const found = await Promise.all(reports);
    return found.flatMap((report) => figuresOf(report.following ? 'loop.stall' : 'loop.stall.watcher', report));
  } finally {
    for (const child of children) child.kill();
    bus.show();
    folder.remove();
  }
};
