/** What a handshake costs against the contexts that Node keeps itself. */
import type { TestKeyType } from '@certbus/client/testing';
import { prepareEdgeSite } from './edge-site.ts';
import type { Benchmark, BenchOptions, Figure } from './figure.ts';
import { anyHot, costOfHandshakes, type MeasuredServer, pinLoad, startServer } from './handshakes.ts';
import { interleave, ratioOf } from './slices.ts';

const SLICE = 200;

async function measure(keyType: TestKeyType, { quick }: BenchOptions): Promise<Figure> {
  const site = { names: quick ? 2_000 : 10_000, hot: keyType === 'p-256' ? 500 : 200, keyType };
  await prepareEdgeSite(site);
  pinLoad();
  const servers = {
    ours: await startServer({ kind: 'certbus', site }),
    peer: await startServer({ kind: 'addContext', site }),
  };
  const cost = (server: MeasuredServer) => () => costOfHandshakes(server, SLICE, anyHot(site.hot));
  try {
    await costOfHandshakes(servers.ours, site.hot, (n) => `h${n}.bench.test`);
    const { ours, peer } = servers;
    const costs = await interleave(quick ? 5 : 21, { ours: cost(ours), peer: cost(peer), again: cost(peer) });
    const figure = `handshake.addcontext${keyType === 'p-256' ? '' : '.rsa'}`;
    return ratioOf(figure, { against: "Node's addContext, as many names", ...costs });
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

/**
 * `handshake.addcontext`: server CPU of a handshake, the client's server over one with 10,000 names by `addContext`; `.rsa` with
 * RSA-2048.
 */
export const handshakeAddContext: Benchmark = async (options) => [
  await measure('p-256', options),
  await measure('rsa-2048', options),
];
