import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { startRoute53Fake } from '@certbus/acme-server/route53';
import { describe, test } from 'vitest';
import { solverConformance } from '../../conformance/index.ts';
import { createRoute53Solver, type Route53Options } from './solver.ts';

/** Takes requests and questions, and never answers. */
async function startSilence() {
  const http = createServer(() => {});
  const dns = createSocket('udp4');
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve));
  await new Promise<void>((resolve) => dns.bind(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    dns: `127.0.0.1:${dns.address().port}`,
    async stop() {
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
      await new Promise<void>((resolve) => dns.close(() => resolve()));
    },
  };
}

describe('Route 53, on the fake', () => {
  solverConformance({
    describe,
    test: (name, body) => test(name, body),
    async create() {
      const fake = await startRoute53Fake({
        zones: [
          { id: 'Z1', name: 'example.test' },
          { id: 'Z2', name: 'child.example.test' },
        ],
        accessKeyIds: ['id'],
        inSyncMs: 200,
      });
      const silence = await startSilence();
      const secretAccessKey = crypto.randomUUID();
      const open = (options: Route53Options) =>
        createRoute53Solver({
          endpoint: fake.endpoint,
          credentials: { accessKeyId: 'id', secretAccessKey },
          resolver: [fake.dns],
          nameServerPort: fake.dnsPort,
          // Its own, as another process has.
          random: Math.random,
          ...options,
        });
      return {
        domain: 'example.test',
        childDomain: 'child.example.test',
        strayDomain: 'stray.test',
        secrets: [secretAccessKey],
        open: async () => open({}),
        openRefused: async () => open({ credentials: { accessKeyId: 'nobody', secretAccessKey } }),
        openSilent: async () => open({ endpoint: silence.endpoint, nameServers: [silence.dns] }),
        async values(dnsName) {
          const resolver = new Resolver({ timeout: 20_000, tries: 3 });
          resolver.setServers([fake.dns]);
          const records = await resolver.resolveTxt(dnsName).catch(() => []);
          return records.map((chunks) => chunks.join(''));
        },
        async addForeign(dnsName, value) {
          const zone = fake.zone(dnsName.endsWith('child.example.test') ? 'Z2' : 'Z1');
          zone.put(dnsName, 'TXT', [...zone.txt(dnsName), `"${value}"`]);
        },
        async alias(dnsName, target) {
          fake.zone(dnsName.endsWith('child.example.test') ? 'Z2' : 'Z1').put(dnsName, 'CNAME', [`${target}.`]);
        },
        async dispose() {
          await fake[Symbol.asyncDispose]();
          await silence.stop();
        },
      };
    },
  });
});
