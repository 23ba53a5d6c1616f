/** What names under one wildcard cost that are asked for once. */
import { connect } from '@certbus/client';
import { type EdgeSiteOptions, prepareEdgeSite } from './edge-site.ts';
import { type Benchmark, type BenchOptions, type Figure, quantile } from './figure.ts';
import { anyHot, costOfHandshakes, pinLoad, startServer } from './handshakes.ts';
import { serverSocket } from './server-socket.ts';
import { interleave, ratioOf } from './slices.ts';

const SLICE = 400;
const FLOOD = 10_000;

/** Microseconds that the callback takes for each name behind the first 10,000. */
async function callbackFigure(site: EdgeSiteOptions): Promise<Figure> {
  const { bus, identity, trust } = await prepareEdgeSite(site);
  const client = await connect({ bus, identity, trust, replica: ':memory:' });
  const caller = serverSocket();
  const times: number[] = [];
  for (let n = 0; n < 2 * FLOOD; n += 1) {
    const name = `x${n}.flood.test`;
    const began = process.hrtime.bigint();
    await new Promise((resolve) => client.sniCallback.call(caller, name, resolve));
    if (n >= FLOOD) times.push(Number(process.hrtime.bigint() - began) / 1e3);
  }
  await client.close();
  const [low, value, high] = [quantile(times, 0.25), quantile(times, 0.5), quantile(times, 0.75)];
  return { figure: 'flood.wildcard.callback', value, unit: 'us', low, high, n: times.length };
}

/** The handshake, and the memory, for one key type. */
async function serverFigures(site: EdgeSiteOptions, { quick }: BenchOptions): Promise<Figure[]> {
  const suffix = site.keyType === 'p-256' ? '' : '.rsa';
  const server = await startServer({ kind: 'certbus', site });
  try {
    const flood = quick ? 1_000 : FLOOD;
    for (let round = 0; round < 3; round += 1) await costOfHandshakes(server, site.hot, (n) => `h${n}.bench.test`);
    await costOfHandshakes(server, 2 * flood, anyHot(site.hot));
    const before = await server.residentBytes();
    let asked = 0;
    const unknown = () => {
      asked += 1;
      return `f${asked}.flood.test`;
    };
    await costOfHandshakes(server, 2 * flood, unknown);
    const grown = ((await server.residentBytes()) - before) / 1e6;
    const memory: Figure = {
      figure: `flood.wildcard.memory${suffix}`,
      ...{ value: grown, unit: 'MB', low: grown, high: grown, n: 1 },
    };
    const hot = () => costOfHandshakes(server, SLICE, anyHot(site.hot));
    const costs = await interleave(quick ? 5 : 31, {
      ours: () => costOfHandshakes(server, SLICE, unknown),
      peer: hot,
      again: hot,
    });
    return [ratioOf(`flood.wildcard${suffix}`, { against: 'a handshake by a name in use', ...costs }), memory];
  } finally {
    await server.stop();
  }
}

/**
 * `flood.wildcard`: server CPU of a whole handshake, of a name under one wildcard that nobody asked for before, behind 10,000 others, over
 * that of a name in use; `.callback`: the callback alone; `.memory`: growth of the server's resident set over the first 20,000 such names, behind
 * as many handshakes by names in use. `.rsa` with RSA-2048.
 */
export const floodWildcard: Benchmark = async (options) => {
  const names = options.quick ? 10_000 : 100_000;
  const site = { names, hot: 1_000, keyType: 'p-256' } as const;
  const rsa = { names, hot: 200, keyType: 'rsa-2048' } as const;
  await prepareEdgeSite(rsa);
  const callback = await callbackFigure(site);
  pinLoad();
  return [...(await serverFigures(site, options)), callback, ...(await serverFigures(rsa, options))];
};
