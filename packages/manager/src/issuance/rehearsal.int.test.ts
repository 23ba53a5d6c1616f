/** Tests of orders that are tried at a staging CA first. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { configFor, createSite, withManager } from './manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;
let staging: AcmeServer;
let sites = 0;

const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });

beforeAll(async () => {
  dns = await startDnsServer();
  const validation = { dnsServer: dns.address };
  [ca, staging] = await Promise.all([
    startAcmeServer({ validation }),
    startAcmeServer({ validation: { ...validation, checkCaa: true } }),
  ]);
});
afterAll(async () => {
  await Promise.all([ca, staging, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

async function bindByCaa(host: string, accountUrl: string): Promise<void> {
  const policies = [{ tag: 'issue', value: `ca.test; accounturi=${accountUrl}` }];
  await fetch(`${dns.url}/add-caa`, { method: 'POST', body: JSON.stringify({ host, policies }) });
}

/** Fails twice, so that the next order is tried at the staging CA first; gives what became of that one. */
async function thirdTry(name: string, failAtStaging: (name: string, accountUrl: string) => unknown) {
  sites += 1;
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as { dns: object[] };
  const authorities = { ca: { ...authority(ca), staging: 'staging' }, staging: authority(staging) };
  const good = { ...config, authorities, defaultAuthority: 'ca' };
  const site = await createSite(`${folder.path}/bus${sites}.db`, good);
  let now = Date.now();
  return withManager(site, { holder: 'one', now: () => new Date(now) }, async (manager) => {
    await manager.configure({ ...good, dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }] });
    for (const _ of [1, 2]) {
      await manager.issue({ names: [name] }, { signal }).catch(() => {});
      now += 3 * 3_600_000;
    }
    await manager.configure(good);
    const account = manager.state.bus.accounts.find(({ directory }) => directory === ca.directory);
    await failAtStaging(name, account?.accountUrl ?? '');
    const before = { ca: ca.orderCount, staging: staging.orderCount };
    const outcome = await manager.issue({ names: [name] }, { signal }).then(
      (issued) => issued.outcome,
      (error: { code?: string }) => error.code,
    );
    return { outcome, orders: { ca: ca.orderCount - before.ca, staging: staging.orderCount - before.staging } };
  });
}

test.each([
  ['is away', () => staging.faults.inject({ kind: 'status', status: 500 }, { times: Number.POSITIVE_INFINITY })],
  [
    'takes no more orders',
    () => staging.faults.inject({ kind: 'status', status: 429, retryAfter: 3600 }, { resource: 'newOrder' }),
  ],
  [
    'is no ACME server any more',
    () => staging.faults.inject({ kind: 'html', status: 200 }, { times: Number.POSITIVE_INFINITY }),
  ],
  ['may not issue by CAA records that name the account at the CA proper', bindByCaa],
])('a staging CA that %s holds up no order at the CA proper', async (what, failAtStaging) => {
  try {
    const { outcome, orders } = await thirdTry(
      `${what.replaceAll(' ', '-').toLowerCase().slice(0, 40)}.test`,
      failAtStaging,
    );
    expect([outcome, orders.ca]).toEqual(['issued', 1]);
  } finally {
    staging.faults.clear();
  }
});

test('an order whose rehearsal passes is made', async () => {
  const { outcome, orders } = await thirdTry('passes.test', () => {});
  expect([outcome, orders]).toEqual(['issued', { ca: 1, staging: 1 }]);
});
