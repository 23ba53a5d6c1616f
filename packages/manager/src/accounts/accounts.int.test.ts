/** Tests of accounts at CAs: registered once, rolled over, given up, and completed after a crash. */
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { BusEvent } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let one: AcmeServer;
let two: AcmeServer;
let site: Site;
let sites = 0;

const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });
const newCa = () => startAcmeServer({ validation: { dnsServer: dns.address } });

beforeAll(async () => {
  dns = await startDnsServer();
});
afterAll(async () => {
  await dns[Symbol.asyncDispose]();
  folder.remove();
});
beforeEach(async () => {
  [one, two] = await Promise.all([newCa(), newCa()]);
  const config = configFor(one, { url: dns.url, dns: dns.address }) as object;
  const authorities = { pebble: authority(one), other: authority(two) };
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, { ...config, authorities });
});
afterEach(() => Promise.all([one, two].map((ca) => ca[Symbol.asyncDispose]())));

const manage = <T>(run: Parameters<typeof withManager<T>>[2]): Promise<T> => withManager(site, { holder: 'one' }, run);

async function said(type: BusEvent['type']): Promise<number> {
  const log = await openLog(site.address);
  const { commits } = await openBus(log, 'test', { trust: site.trust }).read(BEGINNING, { limit: 1_000 });
  await log.close();
  return commits.flatMap(({ events }) => events).filter((event) => event.type === type).length;
}

test('every account gets a fresh key and keeps its URL, and the next order needs nothing else', async () => {
  await manage(async (manager) => {
    const first = await manager.register({ signal });
    const second = await manager.register({ authorityName: 'other', signal });
    expect(second.thumbprint).toBe(first.thumbprint);
    const accounts = await manager.rollOverAccounts({ signal });
    expect(accounts.map(({ accountUrl }) => accountUrl).sort()).toEqual([first.accountUrl, second.accountUrl].sort());
    expect(new Set(accounts.map(({ thumbprint }) => thumbprint)).size).toBe(1);
    expect(accounts[0]?.thumbprint).not.toBe(first.thumbprint);
    expect(manager.state.bus.nextAccountKey).toBeUndefined();
    const { outcome } = await manager.issue({ names: ['rolled.test'] }, { signal });
    expect(outcome).toBe('issued');
  });
  expect(await said('AccountRegistered')).toBe(2);
  expect(await said('AccountKeyRolledOver')).toBe(2);
});

test('a roll-over whose process ended once the CA had the key is completed by the next run, and by an order, too', async () => {
  await manage((manager) => manager.register({ signal }));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  const stop = new AbortController();
  one.faults.inject({ kind: 'stall', when: 'after' }, { resource: 'keyChange' });
  one.on('account', ({ what }) => what === 'key-changed' && stop.abort(new Error('the machine fails')));
  await expect(manage((manager) => manager.rollOverAccounts({ signal: stop.signal }))).rejects.toThrow(
    'the machine fails',
  );
  expect(await said('AccountKeyRolledOver')).toBe(0);
  one.faults.clear();
  await manage(async (manager) => {
    expect(await manager.issue({ names: ['after.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
  });
  expect(await said('AccountKeyRolledOver')).toBe(1);
  const accounts = await manage((manager) => manager.rollOverAccounts({ signal }));
  expect(new Set(accounts.map(({ thumbprint }) => thumbprint)).size).toBe(1);
  expect([await said('AccountKeyRollOverStarted'), await said('AccountKeyRolledOver')]).toEqual([2, 2]);
});

test('a registration whose answer is lost with its process leaves no account behind, nor spends an external one twice', async () => {
  const hmacKey = Buffer.from(crypto.getRandomValues(new Uint8Array(64))).toString('base64url');
  const externalAccounts = [{ kid: 'kid-1', hmacKey }];
  await using strict = await startAcmeServer({ externalAccountRequired: true, externalAccounts });
  const config = configFor(strict, { url: dns.url, dns: dns.address }) as object;
  const authorities = { pebble: { ...authority(strict), eab: { kid: 'kid-1', hmacKey, algorithm: 'HS512' } } };
  site = await createSite(`${folder.path}/external.db`, { ...config, authorities });
  const stop = new AbortController();
  const made: string[] = [];
  strict.faults.inject(
    { kind: 'stall', when: 'after' },
    { resource: 'newAccount', from: 2, times: Number.POSITIVE_INFINITY },
  );
  strict.on('account', ({ url }) => {
    made.push(url);
    stop.abort(new Error('the machine fails'));
  });
  await expect(manage((manager) => manager.register({ signal: stop.signal }))).rejects.toThrow('the machine fails');
  strict.faults.clear();
  const { accountUrl } = await manage((manager) => manager.register({ signal }));
  expect(made).toEqual([accountUrl]);
});

test('two managers that roll over at once agree on one key', async () => {
  await manage((manager) => manager.register({ signal }));
  const both = await Promise.all([1, 2].map(() => manage((manager) => manager.rollOverAccounts({ signal }))));
  expect(new Set(both.flat().map(({ thumbprint }) => thumbprint)).size).toBe(1);
  expect([await said('AccountKeyRollOverStarted'), await said('AccountKeyRolledOver')]).toEqual([2, 1]);
});

test('a CA that is away keeps no other from its fresh key', async () => {
  await manage((manager) => manager.register({ signal }));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  one.faults.inject({ kind: 'status', status: 403 }, { resource: 'keyChange' });
  await manage(async (manager) => {
    await expect(manager.rollOverAccounts({ signal })).rejects.toThrow('scripted');
    const { accounts, nextAccountKey } = manager.state.bus;
    expect(accounts.map(({ thumbprint }) => thumbprint === nextAccountKey?.thumbprint)).toEqual([false, true]);
    await manager.rollOverAccounts({ signal });
    expect(manager.state.bus.nextAccountKey).toBeUndefined();
  });
});

const rollOver = () => manage((manager) => manager.rollOverAccounts({ signal }));
const beginRollOver = async () => {
  one.faults.inject({ kind: 'status', status: 403 }, { resource: 'keyChange' });
  await expect(rollOver()).rejects.toThrow('scripted');
};

test.each([
  ['the next one', rollOver],
  ['the beginning of the next one', beginRollOver],
])('a manager that slept through the end of its roll-over and %s loses no account', async (_, next) => {
  await manage((manager) => manager.register({ signal }));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  let appends = 0;
  const throughBus = (bus: Bus): Bus => ({
    ...bus,
    async append(...args) {
      appends += 1;
      // The first account has the new key, and this manager is about to say so.
      if (appends === 2) {
        await rollOver();
        await next();
      }
      return bus.append(...args);
    },
  });
  await withManager(site, { holder: 'sleeper', throughBus }, (manager) => manager.rollOverAccounts({ signal }));
  await manage(async (manager) => {
    expect(await manager.issue({ names: ['awake.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
    expect(await manager.rollOverAccounts({ signal })).toHaveLength(2);
  });
});

test('an account that was given up serves no order until the bus has a fresh key', async () => {
  await manage(async (manager) => {
    const { accountUrl } = await manager.register({ signal });
    await manager.register({ authorityName: 'other', signal });
    expect(await manager.closeAccount({ signal })).toMatchObject({ accountUrl });
    await expect(manager.issue({ names: ['closed.test'] }, { signal })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_ACCOUNT_CLOSED',
      message: expect.stringContaining('certbus account rollover'),
    });
    await manager.rollOverAccounts({ signal });
    const anew = await manager.register({ signal });
    expect(anew.accountUrl).not.toBe(accountUrl);
  });
});

test('a deactivation whose process ended once the CA had heard of it is completed by the next run', async () => {
  const { accountUrl } = await manage((manager) => manager.register({ signal }));
  const stop = new AbortController();
  one.faults.inject({ kind: 'stall', when: 'after' }, { resource: 'account' });
  one.on('account', ({ what }) => what === 'deactivated' && stop.abort(new Error('the machine fails')));
  await expect(manage((manager) => manager.closeAccount({ signal: stop.signal }))).rejects.toThrow('the machine fails');
  expect(await said('AccountDeactivated')).toBe(0);
  one.faults.clear();
  expect(await manage((manager) => manager.closeAccount({ signal }))).toMatchObject({ accountUrl });
  expect(await said('AccountDeactivated')).toBe(1);
  await manage(async (manager) => {
    await manager.register({ authorityName: 'other', signal });
    await manager.rollOverAccounts({ signal });
    expect((await manager.register({ signal })).accountUrl).not.toBe(accountUrl);
  });
});

test('without an account there is nothing to roll over or to close, and a name that is not configured is told', async () => {
  await manage(async (manager) => {
    const missing = { code: 'CERTBUS_MANAGER_ACCOUNT_MISSING' };
    await expect(manager.rollOverAccounts({ signal })).rejects.toMatchObject(missing);
    await expect(manager.closeAccount({ signal })).rejects.toMatchObject(missing);
    await expect(manager.register({ authorityName: 'nowhere', signal })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_CONFIG_INVALID',
      message: expect.stringContaining('pebble, other'),
    });
  });
});

test('an account at a CA that is gone for ever can be forgotten, so that the roll-over of the others ends', async () => {
  await manage((manager) => manager.register({ signal }));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  const { directory } = two;
  await two[Symbol.asyncDispose]();
  await expect(manage((manager) => manager.rollOverAccounts({ signal }))).rejects.toMatchObject({
    code: 'CERTBUS_ACME_UNREACHABLE',
  });
  await manage(async (manager) => {
    await manager.refresh();
    expect(manager.state.bus.nextAccountKey).toBeDefined();
    await manager.closeAccount({ authorityName: directory, forget: true, signal });
    expect(manager.state.bus.accounts.map((account) => account.directory)).toEqual([one.directory]);
    expect(manager.state.bus.nextAccountKey).toBeUndefined();
    const before = manager.state.bus.accounts[0]?.thumbprint;
    const [again] = await manager.rollOverAccounts({ signal });
    expect(again?.thumbprint).not.toBe(before);
  });
  two = await newCa();
});
