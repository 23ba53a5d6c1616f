/** Tests of accounts at CAs: registered once, rolled over, given up, and completed after a crash. */
import { type AcmeServer, type DnsServer, type KeyChange, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import type { BusEvent } from '@certbus/events';
import { BEGINNING } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { configFor, createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import type { Manager } from '../manager.ts';

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

test('every account has a key of its own, gets a fresh one and keeps its URL, and the next order needs nothing else', async () => {
  await manage(async (manager) => {
    const first = await manager.register({ signal });
    const second = await manager.register({ authorityName: 'other', signal });
    expect(second.thumbprint).not.toBe(first.thumbprint);
    const accounts = await manager.rollOverAccounts({ signal });
    expect(accounts.map(({ accountUrl }) => accountUrl).sort()).toEqual([first.accountUrl, second.accountUrl].sort());
    const keys = [first, second, ...accounts].map(({ thumbprint }) => thumbprint);
    expect(new Set(keys).size).toBe(4);
    expect(accounts.find(({ stateless }) => stateless)?.directory).toBe(one.directory);
    expect(manager.state.bus.nextAccountKeys).toEqual([]);
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
  expect(new Set(accounts.map(({ thumbprint }) => thumbprint)).size).toBe(2);
  expect([await said('AccountKeyRollOverStarted'), await said('AccountKeyRolledOver')]).toEqual([4, 2]);
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
    expect(manager.state.bus.nextAccountKeys.map(({ directory }) => directory)).toEqual([one.directory]);
    await manager.rollOverAccounts({ signal });
    expect(manager.state.bus.nextAccountKeys).toEqual([]);
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

test('an account that was given up serves no order until another is registered, with a key of its own', async () => {
  await manage(async (manager) => {
    const { accountUrl, thumbprint } = await manager.register({ signal });
    await manager.register({ authorityName: 'other', signal });
    expect(await manager.closeAccount({ signal })).toMatchObject({ accountUrl });
    await expect(manager.issue({ names: ['closed.test'] }, { signal })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_ACCOUNT_CLOSED',
      message: expect.stringContaining('certbus account register'),
    });
    const another = await manager.register({ signal });
    expect(another.accountUrl).not.toBe(accountUrl);
    expect(another.thumbprint).not.toBe(thumbprint);
    expect(await manager.issue({ names: ['open.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
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

test('an account at a CA that is gone permanently can be forgotten, so that the roll-over of the others ends', async () => {
  await manage((manager) => manager.register({ signal }));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  const { directory } = two;
  await two[Symbol.asyncDispose]();
  await expect(manage((manager) => manager.rollOverAccounts({ signal }))).rejects.toMatchObject({
    code: 'CERTBUS_ACME_UNREACHABLE',
  });
  await manage(async (manager) => {
    await manager.refresh();
    expect(manager.state.bus.nextAccountKeys.map((next) => next.directory)).toEqual([directory]);
    await manager.closeAccount({ authorityName: directory, forget: true, signal });
    expect(manager.state.bus.accounts.map((account) => account.directory)).toEqual([one.directory]);
    expect(manager.state.bus.nextAccountKeys).toEqual([]);
    const before = manager.state.bus.accounts[0]?.thumbprint;
    const [again] = await manager.rollOverAccounts({ signal });
    expect(again?.thumbprint).not.toBe(before);
  });
  two = await newCa();
});

test('accounts at two directories of one CA server have a key each', async () => {
  const second = { ...authority(one), directory: one.directory.replace('127.0.0.1', 'localhost') };
  const config = configFor(one, { url: dns.url, dns: dns.address }) as object;
  const authorities = { pebble: authority(one), second };
  site = await createSite(`${folder.path}/directories.db`, { ...config, authorities });
  await manage(async (manager) => {
    const accounts = [await manager.register({ signal }), await manager.register({ authorityName: 'second', signal })];
    expect(new Set(accounts.map(({ thumbprint }) => thumbprint)).size).toBe(2);
    expect(new Set(accounts.map(({ accountUrl }) => new URL(accountUrl).pathname)).size).toBe(2);
    const rolled = await manager.rollOverAccounts({ signal });
    expect(rolled.map(({ accountUrl }) => accountUrl)).toEqual(accounts.map(({ accountUrl }) => accountUrl));
    expect(await manager.issue({ names: ['directories.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
  });
});

test('the mark of the account that needs no announcement moves with the default authority, by the next run', async () => {
  const marked = () =>
    manage(async ({ state }) => state.bus.accounts.filter((each) => each.stateless).map(({ directory }) => directory));
  await manage((manager) => manager.register({ authorityName: 'other', signal }));
  expect(await marked()).toEqual([]);
  await manage((manager) => manager.register({ signal }));
  expect(await marked()).toEqual([one.directory]);
  await manage(async (manager) => {
    const stored = (await manager.configuration())?.json as object;
    await manager.configure({ ...stored, defaultAuthority: 'other' });
    expect(manager.state.bus.accounts.find((each) => each.stateless)?.directory).toBe(one.directory);
    expect((await manager.runOnce({ signal })).outcomes).toEqual([]);
  });
  expect(await marked()).toEqual([two.directory]);
  await manage((manager) => manager.runOnce({ signal }));
  expect(await said('AccountRegistered')).toBe(3);
});

/** How many accounts a CA has that are not deactivated. */
function countValid(ca: AcmeServer): () => number {
  const valid = new Set<string>();
  ca.on('account', ({ url, what }) => {
    if (what === 'created') valid.add(url);
    if (what === 'deactivated') valid.delete(url);
  });
  return () => valid.size;
}

/** A bus of its own, with accounts at a CA that cannot change keys, and at one that can. */
async function createUnchangeableSite(keyChange: KeyChange) {
  const ca = await startAcmeServer({ keyChange, validation: { dnsServer: dns.address } });
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as object;
  const authorities = { pebble: authority(ca), other: authority(two) };
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, { ...config, authorities });
  return ca;
}

const UNSUPPORTED = { code: 'CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED', message: expect.stringContaining('--replace') };

test.each(['absent', 'not-implemented'] as const)(
  'where the key change is %s the account keeps its key, and the others get theirs',
  async (keyChange) => {
    await using ca = await createUnchangeableSite(keyChange);
    await manage(async (manager) => {
      const { thumbprint } = await manager.register({ signal });
      const { thumbprint: other } = await manager.register({ authorityName: 'other', signal });
      await expect(manager.rollOverAccounts({ signal })).rejects.toMatchObject(UNSUPPORTED);
      const { accounts, nextAccountKeys } = manager.state.bus;
      expect(nextAccountKeys).toEqual([]);
      expect(accounts.find(({ directory }) => directory === ca.directory)).toMatchObject({
        thumbprint,
        stateless: true,
      });
      expect(accounts.find(({ directory }) => directory === two.directory)?.thumbprint).not.toBe(other);
      expect(await manager.issue({ names: ['kept.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
    });
    expect([await said('AccountKeyRollOverAbandoned'), await said('AccountKeyRolledOver')]).toEqual([1, 1]);
  },
);

test('where keys cannot be changed another account takes the place of one, if that is asked for', async () => {
  await using ca = await createUnchangeableSite('not-implemented');
  const valid = countValid(ca);
  await manage(async (manager) => {
    const { accountUrl, thumbprint } = await manager.register({ signal });
    const { accountUrl: other } = await manager.register({ authorityName: 'other', signal });
    const accounts = await manager.rollOverAccounts({ replace: true, signal });
    expect(accounts.map((each) => each.accountUrl)).not.toContain(accountUrl);
    expect(accounts.map((each) => each.accountUrl)).toContain(other);
    expect(accounts.map((each) => each.thumbprint)).not.toContain(thumbprint);
    expect(accounts.find(({ stateless }) => stateless)?.directory).toBe(ca.directory);
    const { replacedAccounts, closedAccounts } = manager.state.bus;
    expect([replacedAccounts, closedAccounts.map((each) => each.accountUrl)]).toEqual([[], [accountUrl]]);
    expect(await manager.issue({ names: ['replaced.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
  });
  expect(valid()).toBe(1);
});

test.each([
  ['offered', false],
  ['not-implemented', true],
] as const)(
  'keys of before a position are all replaced where the key change is %s, once',
  async (keyChange, isReplaced) => {
    await using ca = await createUnchangeableSite(keyChange);
    const first = await manage((manager) => manager.register({ signal }));
    await manage((manager) => manager.register({ authorityName: 'other', signal }));
    // A roll-over to a key that is too old as well, which is interrupted.
    const stop = new AbortController();
    const throughBus = (bus: Bus): Bus => ({
      ...bus,
      async append(...args) {
        const result = await bus.append(...args);
        stop.abort(new Error('the machine fails'));
        return result;
      },
    });
    const interrupted = withManager(site, { holder: 'one', throughBus }, (manager) =>
      manager.rollOverAccounts({ signal: stop.signal }),
    );
    await expect(interrupted).rejects.toThrow('the machine fails');
    const renew = () =>
      manage(async (manager) => {
        await manager.refresh();
        keysBefore ??= manager.checkpoint.position + 1;
        return manager.rollOverAccounts({ keysBefore, replace: true, signal });
      });
    let keysBefore: number | undefined;
    const accounts = await renew();
    expect(accounts.every(({ keyPosition }) => keyPosition >= (keysBefore ?? 0))).toBe(true);
    const there = accounts.find(({ directory }) => directory === ca.directory);
    expect(there?.accountUrl !== first.accountUrl).toBe(isReplaced);
    const counted = await said('AccountKeyRollOverStarted');
    expect(await renew()).toEqual(accounts);
    expect(await said('AccountKeyRollOverStarted')).toBe(counted);
    await manage((manager) => manager.issue({ names: ['expelled.test'] }, { signal }));
  },
);

/** Ends as a killed process does, at its `last` append: once that is written, or before. */
function killedAt(last: number, isWritten: boolean) {
  const killed = { appends: 0 };
  const throughBus = (bus: Bus): Bus => ({
    ...bus,
    async append(...args) {
      killed.appends += 1;
      if (killed.appends < last) return bus.append(...args);
      if (killed.appends === last && isWritten) await bus.append(...args);
      throw new Error('killed');
    },
  });
  return { killed, throughBus };
}

const register = (manager: Manager) => manager.register({ signal });

test.each<[string, KeyChange, (manager: Manager) => Promise<unknown>, number]>([
  ['a registration', 'offered', register, 2],
  ['a roll-over', 'offered', (manager) => manager.rollOverAccounts({ signal }), 2],
  ['a roll-over that the CA cannot do', 'absent', (manager) => manager.rollOverAccounts({ signal }), 2],
  ['a replacement', 'not-implemented', (manager) => manager.rollOverAccounts({ replace: true, signal }), 3],
])('a kill at any append of %s is repaired by the next order', async (_, keyChange, change, appends) => {
  for (let kill = 0; ; kill += 1) {
    await using ca = await createUnchangeableSite(keyChange);
    const valid = countValid(ca);
    if (change !== register) await manage(register);
    const { killed, throughBus } = killedAt(1 + Math.floor(kill / 2), kill % 2 === 1);
    const run = withManager(site, { holder: 'victim', throughBus }, change);
    const error = await run.then(
      () => undefined,
      (reason: unknown) => reason,
    );
    if (!String(error).includes('killed')) {
      expect(killed.appends).toBe(appends);
      return;
    }
    await manage(async (manager) => {
      expect(await manager.issue({ names: ['healed.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
      const { accounts, nextAccountKeys, replacedAccounts } = manager.state.bus;
      expect([accounts.length, nextAccountKeys, replacedAccounts]).toEqual([1, [], []]);
    });
    expect(valid()).toBe(1);
  }
});

async function examined(check: 'account' | 'directory', subject = 'pebble'): Promise<readonly string[]> {
  const findings = await manage((manager) => manager.diagnose({ domains: [], writeDns: false, signal }));
  return findings
    .filter((finding) => finding.check === check && finding.subject === subject)
    .map(({ status, detail, advice = '' }) => `${status}: ${detail} ${advice}`);
}

test('doctor asks the CA how far an interrupted roll-over came', async () => {
  const { accountUrl } = await manage(register);
  expect(await examined('account')).toEqual([`good: ${accountUrl} `]);
  await beginRollOver();
  expect(await examined('account')).toEqual([
    expect.stringMatching(/^warning: .* was interrupted; the CA has the old key still .*certbus account rollover/),
  ]);
  const { throughBus } = killedAt(1, false);
  const run = withManager(site, { holder: 'victim', throughBus }, (manager) => manager.rollOverAccounts({ signal }));
  await expect(run).rejects.toThrow('killed');
  expect(await examined('account')).toEqual([
    expect.stringMatching(/^warning: .* was interrupted; the CA has the new key already/),
  ]);
  await rollOver();
  expect(await examined('account')).toEqual([`good: ${accountUrl} `]);
});

test('doctor tells of a CA that cannot change keys, and of an account that is replaced and not deactivated', async () => {
  await using _ca = await createUnchangeableSite('absent');
  const { accountUrl } = await manage(register);
  expect(await examined('directory')).toContainEqual(expect.stringMatching(/^warning: .* no keyChange .*--replace/));
  // At its third append the new account is on the bus, and the old one is deactivated at the CA.
  const { throughBus } = killedAt(3, false);
  const run = withManager(site, { holder: 'victim', throughBus }, (manager) =>
    manager.rollOverAccounts({ replace: true, signal }),
  );
  await expect(run).rejects.toThrow('killed');
  expect(await examined('account')).toEqual([
    expect.stringMatching(/^good: /),
    expect.stringMatching(new RegExp(`^warning: ${accountUrl}, which \\S+ replaced, is not deactivated yet`)),
  ]);
});
