/** Tests that names that left our control are set aside before an order is spent on them, and come back, at the strict ACME server and a real DNS server. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { DOUBTED_COUNT } from '../decide/loss-guard.ts';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import { startHook } from '../upkeep/alerts/place.builders.ts';
import type { RenewalOutcome } from './outcome.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;
let sites = 0;

afterAll(() => folder.remove());
beforeEach(async () => {
  // What has no record does not exist.
  dns = await startDnsServer({ defaultAddresses: [] });
  for (const name of ['one.test', 'two.test']) dns.add(name, 'A', '127.0.0.1');
  ca = await startAcmeServer({ validation: { dnsServer: dns.address, checkCaa: true } });
});
afterEach(() => Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]())));

function newSite(more: object = {}): Promise<Site> {
  sites += 1;
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as object;
  return createSite(`${folder.path}/bus${sites}.db`, { ...config, ...more });
}

let processes = 0;
const withNewManager: typeof withManager = (site, options, run) => {
  processes += 1;
  return withManager(site, { ...options, holder: `process ${processes}`, now: () => ca.clock.now() }, run);
};

/** Issues a certificate for each name, and lets them come due. */
async function issueAndAge(site: Site, names: readonly string[], challengeType: 'dns-01' | 'http-01' = 'dns-01') {
  await withNewManager(site, { holder: '' }, async (manager) => {
    for (const name of names) await manager.issue({ names: [name], challengeType }, { signal });
  });
  ca.clock.advance(61 * DAY_MS);
}

/** A run of a process of its own: what became of each name. */
async function run(site: Site): Promise<Record<string, RenewalOutcome>> {
  const { outcomes } = await withNewManager(site, { holder: '' }, (manager) => manager.runOnce());
  return Object.fromEntries(outcomes.map((outcome) => [outcome.names.join(' '), outcome]));
}

/** Takes a name out of DNS. */
const drop = (name: string) => dns.remove(name, 'A');

/** Lets another CA issue for a name, so that this one refuses. */
const bar = (name: string) => dns.add(name, 'CAA', { tag: 'issue', value: 'other.test' });

test('a domain that is gone is set aside by the second look, no order is spent on it, and it comes back by itself', async () => {
  const site = await newSite();
  await issueAndAge(site, ['a.one.test', 'two.test']);
  drop('one.test');
  const before = ca.orderCount;
  const first = await run(site);
  expect(first['two.test']).toMatchObject({ outcome: 'renewed' });
  expect(first['a.one.test']).toMatchObject({
    outcome: 'postponed',
    lost: { loss: 'gone', names: ['a.one.test'], detail: 'one.test does not exist in DNS (NXDOMAIN)' },
  });
  // Within the hour it is not looked at again, and after that it is set aside for good.
  ca.clock.advance(HOUR_MS / 2);
  expect(await run(site)).toEqual({});
  ca.clock.advance(HOUR_MS / 2 + 60_000);
  const second = await run(site);
  expect(second['a.one.test']).toMatchObject({ outcome: 'quarantined', lost: { loss: 'gone' } });
  await withNewManager(site, { holder: '' }, async (manager) => {
    await manager.refresh();
    expect(manager.putOff()).toMatchObject([
      { hold: { kind: 'quarantined', detail: expect.stringContaining('NXDOMAIN') } },
    ]);
  });
  expect(ca.orderCount).toBe(before + 1);
  dns.add('one.test', 'A', '127.0.0.1');
  ca.clock.advance(DAY_MS);
  expect((await run(site))['a.one.test']).toMatchObject({ outcome: 'renewed' });
});

test('silence and failures of DNS set nothing aside, and do not end a quarantine', async () => {
  const site = await newSite();
  await issueAndAge(site, ['one.test']);
  for (const failure of ['SERVFAIL', 'silence'] as const) {
    dns.fail('one.test', failure);
    const before = ca.orderCount;
    // The order is tried, and fails as any other: the CA hears nothing either.
    expect((await run(site))['one.test']).toMatchObject({ outcome: 'failed' });
    expect(ca.orderCount).toBe(before + 1);
    dns.fail('one.test', undefined);
    ca.clock.advance(DAY_MS);
  }
  drop('one.test');
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'postponed' });
  ca.clock.advance(DAY_MS);
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'quarantined' });
  const orders = ca.orderCount;
  for (const failure of ['SERVFAIL', 'silence'] as const) {
    dns.fail('one.test', failure);
    ca.clock.advance(DAY_MS);
    expect((await run(site))['one.test']).toMatchObject({ outcome: 'quarantined' });
  }
  dns.fail('one.test', undefined);
  dns.add('one.test', 'A', '127.0.0.1');
  bar('one.test');
  // Nor does a CA that cannot be asked for its name in CAA records.
  ca.faults.inject({ kind: 'status', status: 500 }, { resource: 'directory', times: 2 });
  ca.clock.advance(DAY_MS);
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'quarantined' });
  expect(ca.orderCount).toBe(orders);
});

test('where CAA bars only the second CA, the names are ours, and the order goes to the own one', async () => {
  await using second = await startAcmeServer({
    now: () => ca.clock.now(),
    caaIdentities: ['second.test'],
    validation: { dnsServer: dns.address, checkCaa: true },
  });
  const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });
  const authorities = { pebble: { ...authority(ca), fallback: 'second' }, second: authority(second) };
  const site = await newSite({ authorities });
  await issueAndAge(site, ['one.test']);
  dns.add('one.test', 'CAA', { tag: 'issue', value: 'ca.test' });
  const refusal = ca.faults.inject(
    { kind: 'status', status: 400 },
    { resource: 'newOrder', times: Number.POSITIVE_INFINITY },
  );
  // The fourth attempt would be the second CA's.
  for (let n = 0; n < 4; n += 1) {
    expect((await run(site))['one.test']).toMatchObject({ outcome: 'failed' });
    ca.clock.advance(DAY_MS);
  }
  refusal.remove();
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'renewed' });
  expect(second.orderCount).toBe(0);
});

test('CAA records against us and other name servers count as well', async () => {
  const site = await newSite({ quarantine: { nameServers: { 'Two.Test.': ['ns1.ours.test'] } } });
  dns.add('two.test', 'NS', 'ns1.ours.test');
  await issueAndAge(site, ['one.test', 'a.two.test']);
  dns.add('one.test', 'CAA', { tag: 'issue', value: 'other.test' });
  dns.remove('two.test', 'NS');
  dns.add('two.test', 'NS', 'ns1.theirs.test');
  await run(site);
  ca.clock.advance(2 * HOUR_MS);
  expect(await run(site)).toMatchObject({
    'one.test': {
      outcome: 'quarantined',
      lost: { loss: 'barred', detail: expect.stringContaining('CAA of one.test') },
    },
    'a.two.test': {
      outcome: 'quarantined',
      lost: { loss: 'moved', detail: expect.stringContaining('ns1.theirs.test') },
    },
  });
});

test('before the first order DNS is looked at, too: a real answer against it costs no order, silence does not hold it up', async () => {
  const site = await newSite();
  bar('one.test');
  const issue = (names: readonly string[], more: object = {}) =>
    withNewManager(site, { holder: '' }, (manager) => manager.issue({ names, ...more }, { signal }));
  const lost = (said: string) => ({ code: 'CERTBUS_MANAGER_NAMES_LOST', message: expect.stringContaining(said) });
  await expect(issue(['a.one.test', 'two.test'])).rejects.toMatchObject(lost('CAA of one.test allows only'));
  await expect(issue(['gone.test'])).rejects.toMatchObject(lost('gone.test does not exist in DNS (NXDOMAIN)'));
  expect([ca.orderCount, ca.requests.filter(({ resource }) => resource === 'newAccount').length]).toEqual([0, 0]);
  // Nothing is on the bus that a run would go on with.
  expect(await run(site)).toEqual({});
  // The way past it: the CA decides.
  await expect(issue(['a.one.test'], { ignoreDns: true })).rejects.not.toMatchObject(lost(''));
  expect(ca.orderCount).toBe(1);
  dns.fail('two.test', 'SERVFAIL');
  await expect(issue(['two.test'])).rejects.not.toMatchObject(lost(''));
  expect(ca.orderCount).toBe(2);
  dns.fail('two.test', undefined);
  expect(await issue(['b.two.test'])).toMatchObject({ outcome: 'issued' });
  // What is managed already needs no order.
  drop('two.test');
  expect(await issue(['b.two.test'])).toMatchObject({ outcome: 'already-managed' });
});

test('with "quarantine": false, or where no resolver is configured, nothing is looked at before a first order', async () => {
  bar('one.test');
  const { http01: _, ...silent } = configFor(ca, { url: dns.url, dns: dns.address }) as { readonly http01: object };
  for (const config of [{ quarantine: false }, undefined]) {
    const site = await newSite(config);
    if (!config) await withNewManager(site, { holder: '' }, (manager) => manager.configure(silent));
    const orders = ca.orderCount;
    await expect(
      withNewManager(site, { holder: '' }, (manager) => manager.issue({ names: ['one.test'] }, { signal })),
    ).rejects.not.toMatchObject({ code: 'CERTBUS_MANAGER_NAMES_LOST' });
    expect(ca.orderCount).toBe(orders + 1);
  }
});

test('at the floor one order is tried in spite of it, and only one', async () => {
  const site = await newSite();
  await issueAndAge(site, ['one.test']);
  bar('one.test');
  await run(site);
  ca.clock.advance(2 * HOUR_MS);
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'quarantined' });
  const orders = ca.orderCount;
  // Of 90 days, the floor is a day before the end.
  ca.clock.advance(28 * DAY_MS);
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'failed' });
  expect(ca.orderCount).toBe(orders + 1);
  for (let n = 0; n < 3; n += 1) {
    ca.clock.advance(DAY_MS);
    expect((await run(site))['one.test']).toMatchObject({ outcome: 'quarantined', isEnding: true });
  }
  expect(ca.orderCount).toBe(orders + 1);
});

test('with "quarantine": false every order is tried', async () => {
  const site = await newSite({ quarantine: false });
  await issueAndAge(site, ['one.test']);
  bar('one.test');
  const orders = ca.orderCount;
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'failed' });
  expect(ca.orderCount).toBe(orders + 1);
});

test('where no resolver is configured nothing is looked at before a renewal', async () => {
  const site = await newSite();
  const { http01: _, ...silent } = site.config as { readonly http01: object };
  await withNewManager(site, { holder: '' }, (manager) => manager.configure(silent));
  await issueAndAge(site, ['one.test']);
  bar('one.test');
  const orders = ca.orderCount;
  expect((await run(site))['one.test']).toMatchObject({ outcome: 'failed' });
  expect(ca.orderCount).toBe(orders + 1);
});

test('"quarantine": false frees at once what was set aside', async () => {
  const site = await newSite();
  await issueAndAge(site, ['one.test', 'two.test']);
  for (const name of ['one.test', 'two.test']) bar(name);
  await run(site);
  ca.clock.advance(2 * HOUR_MS);
  expect(await run(site)).toMatchObject({
    'one.test': { outcome: 'quarantined' },
    'two.test': { outcome: 'quarantined' },
  });
  for (const name of ['one.test', 'two.test']) dns.remove(name, 'CAA');
  await withNewManager(site, { holder: '' }, (manager) =>
    manager.configure({ ...(site.config as object), quarantine: false }),
  );
  expect(await run(site)).toMatchObject({ 'one.test': { outcome: 'renewed' }, 'two.test': { outcome: 'renewed' } });
});

test('where many names are lost at once DNS is doubted: people are told, orders are tried, and nothing is set aside', async () => {
  const hook = await startHook();
  const site = await newSite({ alerts: { hook: { webhook: hook.url } }, parallelOrders: 4 });
  // More than are needed: on a busy machine a look can end without an answer, and that order is tried at once.
  const names = Array.from({ length: DOUBTED_COUNT + 12 }, (_, n) => `n${n}.test`);
  for (const name of names) dns.add(name, 'A', '127.0.0.1');
  await withNewManager(site, { holder: '' }, (manager) =>
    Promise.all(names.map((name) => manager.issue({ names: [name], challengeType: 'dns-01' }, { signal }))),
  );
  ca.clock.advance(61 * DAY_MS);
  for (const name of names) drop(name);
  const count = async (outcome: string) =>
    Object.values(await run(site)).filter((each) => each.outcome === outcome).length;
  const orders = ca.orderCount;
  // As many as can be lost at once are left alone for an hour.
  expect(await count('postponed')).toBe(DOUBTED_COUNT);
  expect(ca.orderCount - orders).toBe(names.length - DOUBTED_COUNT);
  expect(hook.said()).toContain('raised dns-doubted dns');
  for (const name of names) dns.add(name, 'A', '127.0.0.1');
  ca.clock.advance(DAY_MS);
  expect(await count('renewed')).toBeGreaterThanOrEqual(DOUBTED_COUNT);
  expect(hook.said()).toContain('cleared dns-doubted dns');
});
