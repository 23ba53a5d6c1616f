import { shakeHands } from './shake-hands.ts';

/** Connections that ask for names without a pause, each for one after the other, from `first` on and round again, until they are stopped. */
const [, , port = '0', connections = '0'] = process.argv;

interface Flood {
  readonly first: number;
  readonly count: number;
}

let flood: Flood | undefined;

async function ask(wanted: Flood, offset: number): Promise<number> {
  let asked = 0;
  for (; flood === wanted; asked += 1) {
    const n = wanted.first + ((asked * Number(connections) + offset) % wanted.count);
    await shakeHands(Number(port), `n${n}.bench.test`).catch(() => Number.NaN);
  }
  return asked;
}

let asking: Promise<readonly number[]> = Promise.resolve([]);

function begin(wanted: Flood): void {
  flood = wanted;
  asking = Promise.all(Array.from({ length: Number(connections) }, (_, offset) => ask(wanted, offset)));
}

async function stop(): Promise<void> {
  flood = undefined;
  const asked = await asking;
  process.send?.({ asked: asked.reduce((sum, each) => sum + each, 0) });
}

process.on('message', (wanted: Flood | 'stop') => (wanted === 'stop' ? void stop() : begin(wanted)));
process.on('disconnect', () => process.exit(0));
