/** What a handshake costs by names that are in use. */
import type { TestKeyType } from '@certbus/client/testing';
import { prepareEdgeSite } from './edge-site.ts';
import { type Benchmark, type BenchOptions, type Figure, quantile } from './figure.ts';
import { anyHot, costOfHandshakes, type MeasuredServer, pinLoad, startServer } from './handshakes.ts';
import { interleave, ratioOf } from './slices.ts';

const RUNS = 3;
const SLICE = 800;

type Contender = 'certbus' | 'map' | 'again' | 'static';

/** One run: handshakes a CPU second of every server, slice by slice. */
async function runOnce(servers: Readonly<Record<Contender, MeasuredServer>>, rounds: number, hot: number) {
  const rate = (name: Contender) => async () => 1e6 / (await costOfHandshakes(servers[name], SLICE, anyHot(hot)));
  const contenders = { certbus: rate('certbus'), map: rate('map'), again: rate('again'), static: rate('static') };
  return interleave(rounds, contenders);
}

/** The runs' figures, and the one in the middle under the figure's own name. */
function published(figure: string, runs: readonly Figure[]): Figure[] {
  const middle = runs.toSorted((one, other) => one.value - other.value)[Math.floor(runs.length / 2)];
  if (!middle) throw new TypeError('there is a run');
  return [{ ...middle, figure }, ...runs.map((run, n) => ({ ...run, figure: `${figure}.run${n + 1}` }))];
}

async function measure(keyType: TestKeyType, { quick }: BenchOptions): Promise<Figure[]> {
  const site = { names: quick ? 10_000 : 100_000, hot: keyType === 'p-256' ? 1_000 : 200, keyType };
  // Made here, so that no two servers make it at once.
  await prepareEdgeSite(site);
  pinLoad();
  const start = (kind: 'certbus' | 'map' | 'static') => startServer({ kind, site });
  const servers = {
    certbus: await start('certbus'),
    map: await start('map'),
    again: await start('map'),
    static: await start('static'),
  };
  try {
    for (const server of Object.values(servers))
      await costOfHandshakes(server, 3 * site.hot, (n) => `h${n % site.hot}.bench.test`);
    const [hot, plain]: [Figure[], Figure[]] = [[], []];
    for (let run = 0; run < (quick ? 1 : RUNS); run += 1) {
      const { certbus, map, again, static: bare } = await runOnce(servers, quick ? 5 : 31, site.hot);
      hot.push(ratioOf('', { against: 'bare SNICallback + Map', ours: certbus, peer: map, again }));
      const controls = again.map((value, round) => value / (map[round] ?? Number.NaN));
      const against = 'plain Node, one static certificate';
      plain.push({
        ...ratioOf('', { against, ours: certbus, peer: bare, again: bare }),
        control: quantile(controls, 0.5),
      });
    }
    const suffix = keyType === 'p-256' ? '' : '.rsa';
    return [...published(`handshake.hot${suffix}`, hot), ...published(`handshake.hot.static${suffix}`, plain)];
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

/**
 * `handshake.hot`: the client's server against a bare SNICallback over a Map of all names, and `handshake.hot.static` against one
 * certificate without any callback; `.rsa` with RSA-2048. The control is the Map against itself.
 */
export const handshakeHot: Benchmark = async (options) => [
  ...(await measure('p-256', options)),
  ...(await measure('rsa-2048', options)),
];
