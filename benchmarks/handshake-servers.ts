/** What a handshake costs other servers. */
import type { TestKeyType } from '@certbus/client/testing';
import { prepareEdgeSite } from './edge-site.ts';
import type { Benchmark, BenchOptions, Figure } from './figure.ts';
import { anyHot, costOfHandshakes, type MeasuredServer, pinLoad, startServer } from './handshakes.ts';
import { startHaproxy, startNginx } from './peer-servers.ts';
import { interleave, ratioOf } from './slices.ts';

const SLICE = 400;

async function measure(keyType: TestKeyType, { quick }: BenchOptions): Promise<Figure[]> {
  const names = keyType === 'p-256' ? 1_000 : 200;
  const site = { names, hot: names, keyType };
  const { hot } = await prepareEdgeSite(site);
  pinLoad();
  const servers: Record<'ours' | 'nginx' | 'haproxy', MeasuredServer> = {
    ours: await startServer({ kind: 'certbusHttps', site }),
    nginx: await startNginx(hot),
    haproxy: await startHaproxy(hot),
  };
  const cost = (name: keyof typeof servers) => () => costOfHandshakes(servers[name], SLICE, anyHot(site.hot));
  try {
    for (const server of Object.values(servers)) await costOfHandshakes(server, site.hot, (n) => `h${n}.bench.test`);
    const costs = await interleave(quick ? 5 : 21, {
      ours: cost('ours'),
      again: cost('ours'),
      nginx: cost('nginx'),
      haproxy: cost('haproxy'),
    });
    const { ours, again, nginx, haproxy } = costs;
    const controls = { ours, peer: ours, again };
    const { control = Number.NaN } = ratioOf('', { against: '', ...controls });
    const suffix = keyType === 'p-256' ? '' : '.rsa';
    return [
      {
        ...ratioOf(`handshake.servers.nginx${suffix}`, { against: "Debian's nginx 1.22.1", ours, peer: nginx, again }),
        control,
      },
      {
        ...ratioOf(`handshake.servers.haproxy${suffix}`, {
          against: "Debian's HAProxy 2.6.12",
          ours,
          peer: haproxy,
          again,
        }),
        control,
      },
    ];
  } finally {
    for (const server of Object.values(servers)) await server.stop();
  }
}

/**
 * `handshake.servers`: server CPU of a handshake and a small GET, the client's HTTPS server over nginx and over HAProxy with as many
 * certificates, one worker each; `.rsa` with RSA-2048.
 */
export const handshakeServers: Benchmark = async (options) => [
  ...(await measure('p-256', options)),
  ...(await measure('rsa-2048', options)),
];
