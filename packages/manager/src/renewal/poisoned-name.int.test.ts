/** Tests that names that a CA stumbles over hold up no others. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, withManager } from '../issuance/manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

test('a CA that stumbles over single names renews all others in every run, for days', async () => {
  const site = await createSite(`${folder.path}/bus.db`, configFor(ca, { url: dns.url, dns: dns.address }));
  const poisoned = [0, 1, 2, 3].map((index) => `poisoned${index}.test`);
  let now = Date.now();
  await withManager(site, { holder: 'one', now: () => new Date(now) }, async (manager) => {
    const fine = ['fine0.test', 'fine1.test', 'fine2.test'];
    for (const name of fine) await manager.issue({ names: [name] }, { signal });
    ca.faults.inject(
      { kind: 'status', status: 500, retryAfter: 60 },
      {
        resource: 'newOrder',
        times: Number.POSITIVE_INFINITY,
        matches: ({ payload }) => JSON.stringify(payload).includes('poisoned'),
      },
    );
    for (const name of poisoned) await manager.issue({ names: [name] }, { signal }).catch(() => {});
    for (let day = 0; day < 4; day += 1) {
      now += 86_400_000;
      // By then all of them are due, those too that the run of the day before renewed.
      const at = new Date(now + 88 * 86_400_000);
      const { outcomes } = await manager.runOnce({ signal, at });
      const of = (outcome: string) => outcomes.filter((each) => each.outcome === outcome).flatMap(({ names }) => names);
      expect(of('renewed').toSorted()).toEqual(fine);
      expect(of('failed').length).toBeGreaterThan(0);
    }
  });
});
