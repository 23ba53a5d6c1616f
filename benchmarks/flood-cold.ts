import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { availableParallelism, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { type Benchmark, type BenchOptions, type Figure, quantile } from './figure.ts';
import { type BenchKeyType, createKeyedBus } from './keyed-bus.ts';
import { shakeHands } from './shake-hands.ts';
import { interleave } from './slices.ts';

const SERVER = fileURLToPath(new URL('./flood-server.ts', import.meta.url));
const CLIENTS = fileURLToPath(new URL('./flood-process.ts', import.meta.url));
const HOT = 50;
const COLD = 2_000;
/** Room for the hot names and the victim, and so little more that a cold name is cold again when its turn comes. */
const CACHE = 200;
const CONNECTIONS = 8;
const VICTIM = `n${HOT + COLD}.bench.test`;
const PAUSE_MS = 5;
const BEHIND = 5;

function start(program: string, args: readonly string[], core: number): ChildProcess {
  const child = fork(program, args, { execArgv: ['--conditions=certbus:source'] });
  // Its threads as well, which it starts from here on.
  if (availableParallelism() > 1) execFileSync('taskset', ['-acp', String(core), String(child.pid)]);
  return child;
}

async function measure(keyType: BenchKeyType, { quick }: BenchOptions): Promise<Figure[]> {
  const rounds = quick ? 5 : 21;
  const visits = quick ? 100 : 200;
  const folder = temporaryFolder();
  const address = `sqlite:${folder.path}/bus.db#bench`;
  const { bus } = await createKeyedBus(HOT + COLD + 1, { address, keyType });
  const children: ChildProcess[] = [];
  try {
    const args = [address, bus.identity, bus.trust, folder.path, String(CACHE)];
    const server = start(SERVER, args, 0);
    children.push(server);
    const [{ port }] = (await once(server, 'message')) as [{ port: number }];
    const clients = start(CLIENTS, [String(port), String(CONNECTIONS)], 1);
    children.push(clients);
    // The victim is not to wait for those on its own core.
    setPriority(clients.pid ?? 0, BEHIND);

    /** Milliseconds of the victim's handshakes at the 99th percentile. */
    async function visit(first: number, count: number): Promise<number> {
      const cooled = once(server, 'message');
      server.send('cool');
      await cooled;
      clients.send({ first, count });
      const times: number[] = [];
      for (let n = 0; n < visits; n += 1) {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        times.push(await shakeHands(port, VICTIM));
      }
      const stopped = once(clients, 'message');
      clients.send('stop');
      const [{ asked }] = (await stopped) as [{ asked: number }];
      if (count === COLD && asked > COLD) throw new Error(`${asked} were asked of ${COLD} cold names: make more`);
      return quantile(times, 0.99);
    }

    const hot = () => visit(0, HOT);
    const contenders = { cold: () => visit(HOT, COLD), hot, again: hot };
    await interleave(1, contenders);
    const measures = await interleave(rounds, contenders);
    const over = (values: readonly number[]) =>
      values.map((value, round) => value / (measures.hot[round] ?? Number.NaN));
    const figure = (name: string, values: readonly number[], more: Pick<Figure, 'unit'> & Partial<Figure>): Figure => ({
      figure: name,
      value: quantile(values, 0.5),
      low: quantile(values, 0.25),
      high: quantile(values, 0.75),
      n: rounds,
      ...more,
    });
    const control = quantile(over(measures.again), 0.5);
    const suffix = keyType === 'P-256' ? '' : '.rsa';
    return [
      figure(`flood.cold${suffix}`, over(measures.cold), { unit: 'x', against: 'the same with hot names', control }),
      figure(`flood.cold.ms${suffix}`, measures.cold, { unit: 'ms' }),
    ];
  } finally {
    for (const child of children) if (child.connected) child.disconnect();
    await bus.close();
    folder.remove();
  }
}

/**
 * `flood.cold`: 99th percentile of a victim's handshakes while 8 connections ask for names whose keys were never opened, against the same
 * while they ask for hot names; `.ms`: of the former alone. `.rsa` with RSA-2048.
 */
export const floodCold: Benchmark = async (options) => [
  ...(await measure('P-256', options)),
  ...(await measure('RSA-2048', options)),
];
