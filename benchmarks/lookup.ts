/** What it costs to find a context in memory by its server name. */
import { connect, type SniCallback } from '@certbus/client';
import { type EdgeSite, prepareEdgeSite } from './edge-site.ts';
import type { Benchmark, BenchOptions, Figure } from './figure.ts';
import { serverSocket } from './server-socket.ts';
import { interleave, ratioOf } from './slices.ts';

/** So many that the system's clock of a thread, which goes by 10 ms, tells them apart. */
const LOOKUPS = 2_000_000;
const HOT = 1_000;

/** CPU of this thread for so many look-ups, each by a string of its own, as TLS gives them. */
function cost(find: SniCallback, names: readonly Buffer[]): number {
  let found = 0;
  const count = (_: Error | null, context?: unknown) => {
    if (context) found += 1;
  };
  const before = process.threadCpuUsage();
  for (let n = 0; n < LOOKUPS; n += 1) find(names[(n * 7_919) % names.length]?.toString('latin1') ?? '', count);
  const { user, system } = process.threadCpuUsage(before);
  if (found !== LOOKUPS) throw new Error('a name was not found');
  return user + system;
}

async function figureOf(
  figure: string,
  names: readonly string[],
  { site, callback, rounds }: { readonly site: EdgeSite; readonly callback: SniCallback; readonly rounds: number },
): Promise<Figure> {
  const context = {} as never;
  // In the middle of all the others: what was put into a Map first or last is found sooner or later than the rest.
  const asked = new Set(names);
  const others = site.names.filter((name) => !asked.has(name));
  const half = others.length / 2;
  const map = new Map([...others.slice(0, half), ...names, ...others.slice(half)].map((name) => [name, context]));
  const bare: SniCallback = (name, answer) => answer(null, map.get(name));
  const hot = names.map((name) => Buffer.from(name));
  for (let times = 0; times < 3; times += 1)
    for (const name of names) await new Promise((resolve) => callback(name, resolve));
  const costs = await interleave(rounds, {
    ours: () => cost(callback, hot),
    peer: () => cost(bare, hot),
    again: () => cost(bare, hot),
  });
  return ratioOf(figure, { against: 'Map.get over all 100,000 names', ...costs });
}

async function measure({ quick }: BenchOptions): Promise<Figure[]> {
  const site = await prepareEdgeSite({ names: quick ? 10_000 : 100_000, hot: HOT, keyType: 'p-256' });
  const { bus, identity, trust } = site;
  const client = await connect({ bus, identity, trust, replica: ':memory:' });
  try {
    const callback = client.sniCallback.bind(serverSocket());
    const how = { site, callback, rounds: quick ? 5 : 41 };
    const below = Array.from({ length: HOT }, (_, n) => `x${n}.flood.test`);
    return [
      await figureOf(
        'lookup.exact',
        site.hot.map(({ name }) => name),
        how,
      ),
      await figureOf('lookup.wildcard', below, how),
    ];
  } finally {
    await client.close();
  }
}

/** `lookup.exact`, `lookup.wildcard`: from a name in use to its context, over a Map that has every name of the bus. */
export const lookup: Benchmark = measure;
