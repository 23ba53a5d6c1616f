/** Tests of expelling a manager: what is shown before, and what is done at the CAs and on the bus. */
import { type Acme, createAcme, deactivateAccount, generateAccountKey, rollOverAccountKey } from '@certbus/acme';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import {
  createManagerKey,
  type Manager as NamedManager,
  open,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  seal,
  sha256,
} from '@certbus/events';
import { BEGINNING, type Checkpoint, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { type Bus, openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { findUnfinished } from '../../doctor/bus.ts';
import { expelManager, planExpulsion, recordExpulsion } from '../../index.ts';
import { configFor, createSite, type Site, withManager } from '../../issuance/manager.builders.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let one: AcmeServer;
let two: AcmeServer;
/** Alice's, who is left. */
let site: Site;
/** The same with mallory's key, which was stolen. */
let stolen: Site;
let sites = 0;

const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });

async function named(name: string, managerKey: string): Promise<NamedManager> {
  const { recipient } = await parseIdentityFile(managerKey);
  return { name, signingKey: parseManagerKey(managerKey).signer.publicKey, recipient };
}

/** Reads a bus to its head. */
async function readAll(bus: Bus) {
  const { commits, checkpoint } = await bus.read(BEGINNING, { consistent: true, limit: 1_000 });
  return { commits, checkpoint };
}

async function withBus<T>(signer: Parameters<typeof openBus>[2]['signer'], run: (bus: Bus) => Promise<T>): Promise<T> {
  const log = await openLog(site.address);
  try {
    return await run(openBus(log, 'test', { trust: site.trust, signer }));
  } finally {
    await log.close();
  }
}

/** Appends a commit at the head; returns the position. */
async function append(signer: Parameters<typeof openBus>[2]['signer'], ...events: WrittenEvent[]): Promise<number> {
  return withBus(signer, async (bus) => {
    const { checkpoint } = await readAll(bus);
    return (await bus.append(checkpoint, events, { at: new Date() })).checkpoint.position;
  });
}

const rootOf = () => parseRootKey(site.rootKey);
const steal = (...events: WrittenEvent[]) => append(parseManagerKey(stolen.managerKey).signer, ...events);
const head = (): Promise<Checkpoint> => withBus(undefined, async (bus) => (await readAll(bus)).checkpoint);
const plan = (since: number | Date, manager = 'mallory') =>
  withBus(undefined, (bus) => planExpulsion(bus, { manager, since }));

/** Expels mallory, with a manager that is left. */
async function expel(
  since: number | Date,
  {
    by = site,
    managers,
    throughBus,
    runSignal = signal,
    manager: whom = 'mallory',
  }: {
    readonly by?: Site;
    readonly managers?: readonly NamedManager[];
    readonly throughBus?: (bus: Bus) => Bus;
    readonly runSignal?: AbortSignal;
    readonly manager?: string;
  } = {},
) {
  return withManager(by, { holder: 'rescue', ...(throughBus ? { throughBus } : {}) }, async (manager) => {
    const log = await openLog(site.address);
    try {
      const place = { log, stream: 'test' };
      const { trust } = site;
      return await expelManager(manager, place, {
        manager: whom,
        since,
        trust,
        root: rootOf(),
        managers,
        signal: runSignal,
      });
    } finally {
      await log.close();
    }
  });
}

beforeAll(async () => {
  dns = await startDnsServer();
});
afterAll(async () => {
  await dns[Symbol.asyncDispose]();
  folder.remove();
});
beforeEach(async () => {
  const newCa = () => startAcmeServer({ validation: { dnsServer: dns.address } });
  [one, two] = await Promise.all([newCa(), newCa()]);
  const config = configFor(one, { url: dns.url, dns: dns.address }) as { readonly dns: readonly object[] };
  const authorities = { pebble: authority(one), other: authority(two) };
  const secrets = [
    { zones: ['cloudflare.test'], provider: 'cloudflare', token: 'hunter2-literal' },
    { zones: ['env.test'], provider: 'cloudflare', token: { env: 'CERTBUS_SECRET_CLOUDFLARE' } },
  ];
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, {
    ...config,
    authorities,
    dns: [...secrets, ...config.dns],
  });
  const managerKey = await createManagerKey();
  stolen = { ...site, managerKey };
  const managers = [await named('alice', site.managerKey), await named('mallory', managerKey)];
  const { rootSequence } = await head();
  await append(
    rootOf(),
    signRootEvent(rootOf(), site.trust.busId, rootSequence + 1, { type: 'ManagersUpdated', managers }),
  );
  // Sealed to both.
  await withManager(site, { holder: 'begin' }, async (manager) => {
    await manager.configure(manager.state.bus.config ? (await manager.configuration())?.json : {});
    await manager.register({ signal });
    await manager.register({ authorityName: 'other', signal });
  });
});
afterEach(() => Promise.all([one, two].map((ca) => ca[Symbol.asyncDispose]())));

const hash = sha256(Buffer.from('x'));

test('the plan counts and lists by type what would be void, and writes nothing', async () => {
  const issued = await withManager(site, { holder: 'alice' }, (manager) =>
    manager.issue({ names: ['a.test'] }, { signal }),
  );
  const since = (await head()).position + 1;
  const { certificateId } = issued;
  await steal({ type: 'CertificateRemoved', certificateId });
  await steal(
    { type: 'Heartbeat' },
    {
      type: 'AccountRegistered',
      directory: 'https://evil.test/',
      accountUrl: 'x',
      thumbprint: hash,
      sealedKey: 'AAAA',
    },
    { type: 'MoonPhaseChanged' } as unknown as WrittenEvent,
  );
  const before = await head();
  const shown = await plan(since);
  expect(shown).toMatchObject({
    manager: 'mallory',
    since,
    earliest: since,
    position: before.position,
    kept: [],
    certificates: [],
  });
  expect(shown.voided).toEqual([
    { type: 'CertificateRemoved', count: 1, events: [{ position: since, subject: certificateId }] },
    { type: 'Heartbeat', count: 1, events: [{ position: since + 1, subject: undefined }] },
    { type: 'AccountRegistered', count: 1, events: [{ position: since + 1, subject: 'https://evil.test/' }] },
    { type: 'MoonPhaseChanged', count: 1, events: [{ position: since + 1, subject: undefined }] },
  ]);
  expect(await head()).toEqual(before);
});

test('a certificate whose private key the suspect made is to be replaced, also where another manager obtained it', async () => {
  const until = new Date(Date.now() + 86_400_000).toISOString();
  const ids = { issuanceId: 'issuance0001', certificateId: 'certificate1' };
  const order = { names: ['a.test'], reason: 'new', challengeType: 'dns-01', directory: one.directory } as const;
  const key = { csr: 'AAAA', sealedKey: 'AAAA', recipientsPosition: 1 };
  const since = await steal({ type: 'IssuanceStarted', ...ids, ...order, holder: 'mallory', until, ...key });
  const dates = { notBefore: new Date().toISOString(), notAfter: until };
  const issued = { leaf: 'AAAA', issuers: [], sealedKey: 'AAAA', serialNumber: '0A', ...dates };
  const alice = parseManagerKey(site.managerKey).signer;
  const position = await append(alice, { type: 'CertificateObtained', ...ids, ...order, ...issued });
  await append(alice, { type: 'CertificateObtained', ...ids, ...order, ...issued, issuanceId: 'issuance0002' });
  const shown = await plan(since);
  expect(shown.certificates).toMatchObject([{ certificateId: 'certificate1', names: ['a.test'], position }]);
  expect([shown.voided.map(({ type }) => type), shown.kept]).toEqual([['IssuanceStarted'], []]);
});

test('a time stands for the first commit from then on, and the plan says what has only the suspect’s word', async () => {
  const begun = (await head()).position;
  const [first, second] = [new Date('2030-01-01T00:00:00Z'), new Date('2030-01-02T00:00:00Z')];
  await withBus(parseManagerKey(stolen.managerKey).signer, async (bus) => {
    const { checkpoint } = await readAll(bus);
    const next = await bus.append(checkpoint, [{ type: 'Heartbeat' }], { at: first });
    await bus.append(next.checkpoint, [{ type: 'Heartbeat' }], { at: second });
  });
  expect(await plan(second)).toMatchObject({ since: begun + 2, earliest: begun + 1 });
  expect(await plan(new Date('2031-01-01T00:00:00Z'))).toMatchObject({ since: begun + 3, voided: [] });
});

test('a name that had several keys is not enough', async () => {
  const other = await named('mallory', await createManagerKey());
  const { rootSequence, managers } = await head();
  const updated = [...managers.filter(({ name }) => name !== 'mallory'), other];
  await append(
    rootOf(),
    signRootEvent(rootOf(), site.trust.busId, rootSequence + 1, { type: 'ManagersUpdated', managers: updated }),
  );
  await expect(plan(2)).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_MANAGER_NOT_FOUND',
    message: expect.stringContaining(other.signingKey),
  });
  await expect(plan(2, 'nobody')).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_MANAGER_NOT_FOUND' });
  expect(await plan(2, other.signingKey)).toMatchObject({ manager: 'mallory', key: other.signingKey });
});

test('an expulsion gives every account a fresh key, seals again what is left, and lists what is to be done by hand', async () => {
  const kept = await withManager(site, { holder: 'alice' }, (manager) =>
    manager.issue({ names: ['kept.test'] }, { signal }),
  );
  const since = (await head()).position + 1;
  const taken = await withManager(stolen, { holder: 'mallory' }, (manager) =>
    manager.issue({ names: ['taken.test'] }, { signal }),
  );
  await steal({ type: 'CertificateRemoved', certificateId: kept.certificateId });
  await steal({ type: 'ConfigUpdated', sealed: 'AAAA' });
  await steal({ type: 'MoonPhaseChanged' } as unknown as WrittenEvent);
  const before = await withManager(site, { holder: 'alice' }, async (manager) => manager.state.bus.accounts);
  const done = await expel(since);
  expect(done).toMatchObject({ manager: 'mallory', since, lostAccounts: [] });
  expect(done.secrets).toEqual([
    { path: 'dns.0.token', variable: undefined },
    { path: 'dns.1.token', variable: 'CERTBUS_SECRET_CLOUDFLARE' },
  ]);
  expect(JSON.stringify(done)).not.toContain('hunter2');
  expect(done.certificates).toEqual([
    expect.objectContaining({ certificateId: taken.certificateId, names: ['taken.test'] }),
  ]);
  expect(done.accounts.map(({ accountUrl }) => accountUrl).sort()).toEqual(
    before.map(({ accountUrl }) => accountUrl).sort(),
  );
  for (const { thumbprint } of done.accounts) expect(before.map((each) => each.thumbprint)).not.toContain(thumbprint);
  const { identity } = parseManagerKey(stolen.managerKey);
  await withManager(site, { holder: 'alice' }, async (manager) => {
    expect(findUnfinished(manager.checkpoint, manager.state.bus)).toBeUndefined();
    const { config, accounts } = manager.state.bus;
    for (const sealed of [config?.sealed ?? '', ...accounts.map(({ sealedKey }) => sealedKey)])
      await expect(open(sealed, identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
    expect(manager.state.certificate(kept.certificateId)).toMatchObject({ removed: false });
    expect(await manager.issue({ names: ['later.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
    await manager.renew(taken.certificateId, { signal });
  });
  expect(
    (await expel(since)).certificates.filter(({ leafHash }) => leafHash !== done.certificates[0]?.leafHash),
  ).toEqual([]);
});

test('each leaf of the suspect is listed until it is revoked by its serial number, also one that was replaced often or removed', async () => {
  const since = (await head()).position + 1;
  const { often, gone, serials, leafHash } = await withManager(stolen, { holder: 'mallory' }, async (manager) => {
    const issue = (name: string) => manager.issue({ names: [name] }, { signal });
    const issued = { often: await issue('often.test'), gone: await issue('gone.test') };
    const { certificateId, serialNumber } = issued.often;
    const first = manager.certificate(certificateId).current?.leafHash ?? '';
    const all = [serialNumber];
    // More than a state keeps of what a suspect obtained: the first one is only in the history.
    for (let n = 0; n < 9; n += 1) all.push((await manager.renew(certificateId, { signal })).serialNumber);
    return { often: certificateId, gone: issued.gone, serials: all, leafHash: first };
  });
  // What the suspect says of a revocation is void.
  await steal({ type: 'CertificateRevoked', certificateId: often, leafHash, reason: 1 });
  await expel(since);
  await withManager(site, { holder: 'alice' }, (manager) => manager.remove(gone.certificateId));
  const listed = async () => (await expel(since)).certificates.map(({ serialNumber }) => serialNumber).toSorted();
  expect(await listed()).toEqual([...serials, gone.serialNumber].toSorted());
  const revoked: string[] = [];
  one.on('revocation', ({ serial }) => void revoked.push(serial.toUpperCase().replace(/^00/, '')));
  await withManager(site, { holder: 'alice' }, async (manager) => {
    const [serialNumber] = serials;
    expect(JSON.stringify(manager.certificate(often))).not.toContain(`"${serialNumber}"`);
    const reason = 'keyCompromise';
    const revokeFirst = () => manager.revoke({ certificateId: often, serialNumber, reason }, { signal });
    expect(await revokeFirst()).toMatchObject({ serialNumber, replacement: undefined });
    const { certificateId } = gone;
    const missing = { code: 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND' };
    await expect(manager.revoke({ certificateId, reason }, { signal })).rejects.toMatchObject(missing);
    await manager.revoke({ certificateId, serialNumber: gone.serialNumber, reason }, { signal });
    await expect(revokeFirst()).rejects.toMatchObject(missing);
  });
  expect(revoked).toEqual([serials[0], gone.serialNumber]);
  expect(await listed()).toEqual(serials.slice(1).toSorted());
});

test('a suspect that writes the serial number of a good certificate beside its own leaf has that revoked, and nothing else', async () => {
  const issue = (name: string) =>
    withManager(site, { holder: 'alice' }, (manager) => manager.issue({ names: [name] }, { signal }));
  const good = await issue('good.test');
  const since = (await head()).position + 1;
  const { taken, leaf } = await withManager(stolen, { holder: 'mallory' }, async (manager) => {
    const issued = await manager.issue({ names: ['taken.test'] }, { signal });
    return { taken: issued, leaf: manager.certificate(issued.certificateId).current?.leaf ?? '' };
  });
  const { certificateId } = good;
  const lie = {
    serialNumber: good.serialNumber ?? '',
    notBefore: '2020-01-01T00:00:00Z',
    notAfter: '2020-02-01T00:00:00Z',
  };
  const names = ['good.test'];
  const content = { certificateId, names, leaf, issuers: [], sealedKey: 'AAAA', issuedBy: one.directory };
  await steal({ type: 'CertificateImported', ...content, ...lie });
  const { certificates } = await expel(since);
  const own = certificates.filter((each) => each.certificateId === certificateId);
  expect(own).toMatchObject([{ serialNumber: taken.serialNumber, directory: one.directory }]);
  expect(Date.parse(own[0]?.notAfter ?? '')).toBeGreaterThan(Date.now());
  const revoked: string[] = [];
  one.on('revocation', ({ serial }) => void revoked.push(serial.toUpperCase().replace(/^00/, '')));
  await withManager(site, { holder: 'alice' }, (manager) =>
    manager.revoke({ certificateId, serialNumber: taken.serialNumber, reason: 'keyCompromise' }, { signal }),
  );
  expect(revoked).toEqual([taken.serialNumber]);
});

test.each(['before', 'after'] as const)(
  'an expulsion whose process ends %s each of its appends finishes when it is run again',
  async (when) => {
    const since = (await head()).position + 1;
    await steal({ type: 'Heartbeat' });
    let runs = 0;
    const throughBus = (bus: Bus): Bus => {
      let appends = 0;
      return {
        ...bus,
        async append(...call) {
          appends += 1;
          if (when === 'before' && appends === 2) throw new Error('the machine fails');
          const appended = await bus.append(...call);
          if (when === 'after' && appends === 1) throw new Error('the machine fails');
          return appended;
        },
      };
    };
    const run = async () => {
      runs += 1;
      return expel(since, { throughBus }).catch((error: unknown) => {
        expect(String(error)).toContain('the machine fails');
        return undefined;
      });
    };
    let done = await run();
    while (!done && runs < 20) done = await run();
    expect(runs).toBeGreaterThan(2);
    expect(done?.accounts).toHaveLength(2);
    const { checkpoint, commits } = await withBus(undefined, readAll);
    expect(checkpoint.expelled).toHaveLength(1);
    const said = (type: string) =>
      commits.flatMap(({ events }) => events).filter((event) => event.type === type).length;
    expect([said('ManagerExpelled'), said('AccountKeyRolledOver')]).toEqual([1, 2]);
  },
);

test('at a CA that cannot change keys another account is registered and the old one deactivated', async () => {
  await using rigid = await startAcmeServer({ validation: { dnsServer: dns.address }, keyChange: 'not-implemented' });
  await withManager(site, { holder: 'alice' }, async (manager) => {
    const config = (await manager.configuration())?.json as { readonly authorities: object };
    await manager.configure({ ...config, authorities: { ...config.authorities, rigid: authority(rigid) } });
    await manager.register({ authorityName: 'rigid', signal });
  });
  const deactivated: string[] = [];
  rigid.on('account', ({ what, url }) => what === 'deactivated' && deactivated.push(url));
  const accountAt = (accounts: readonly { readonly directory: string; readonly accountUrl: string }[]) =>
    accounts.find(({ directory }) => directory === rigid.directory)?.accountUrl;
  const old = await withManager(site, { holder: 'alice' }, async (manager) => accountAt(manager.state.bus.accounts));
  const done = await expel((await head()).position);
  expect(accountAt(done.accounts)).not.toBe(old);
  expect(deactivated).toEqual([old]);
  expect(done.lostAccounts).toEqual([]);
});

test('a configuration that is refused by now, and is on the bus, is sealed to those who are left all the same', async () => {
  const config = await withManager(site, { holder: 'alice' }, async (manager) => (await manager.configuration())?.json);
  const { authorities } = config as { readonly authorities: object };
  const twins = { ...(config as object), authorities: { ...authorities, twin: authority(one) } };
  const managers = [await named('alice', site.managerKey), await named('mallory', stolen.managerKey)];
  const position = await append(parseManagerKey(site.managerKey).signer, {
    type: 'ConfigUpdated',
    sealed: await seal(JSON.stringify(twins), managers),
  });
  await steal({ type: 'Heartbeat' });
  await expel(position + 1);
  await withManager(site, { holder: 'alice' }, async (manager) => {
    const kept = await manager.configuration();
    expect(kept?.json).toEqual(twins);
    expect(kept?.position).toBeGreaterThan(position + 1);
  });
});

test('a lost key is not a dead end: others are named, the configuration is replaced, and other accounts are registered', async () => {
  const managerKey = await createManagerKey();
  const bob = { ...site, managerKey };
  const managers = [await named('bob', managerKey)];
  const since = (await head()).position + 1;
  const before = await withManager(site, { holder: 'alice' }, async (manager) => manager.state.bus.accounts);
  const lost = { by: bob, managers, manager: 'alice' };
  await expect(expel(since, lost)).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_CONFIG_UNREADABLE' });
  await withManager(bob, { holder: 'bob' }, (manager) => manager.configure(site.config));
  const done = await expel(since, lost);
  expect(done.lostAccounts.map(({ accountUrl }) => accountUrl).sort()).toEqual(
    before.map(({ accountUrl }) => accountUrl).sort(),
  );
  expect(done.accounts).toHaveLength(2);
  for (const { accountUrl } of done.accounts) expect(before.map((each) => each.accountUrl)).not.toContain(accountUrl);
  await withManager(bob, { holder: 'bob' }, async (manager) => {
    expect(await manager.issue({ names: ['bob.test'] }, { signal })).toMatchObject({ outcome: 'issued' });
  });
  expect((await head()).managers.map(({ name }) => name)).toEqual(['bob']);
});

test.each<[string, (ca: Acme) => Promise<unknown>]>([
  [
    'whose key the thief changed',
    async (ca) => rollOverAccountKey(ca, { newAccountKey: await generateAccountKey(), signal }),
  ],
  ['that the thief closed', (ca) => deactivateAccount(ca, { signal })],
])('an account %s at the CA is given up, and another is registered', async (_, misuse) => {
  const since = (await head()).position + 1;
  const [account] = await withManager(stolen, { holder: 'mallory' }, async (manager) => manager.state.bus.accounts);
  if (!account) throw new TypeError('there are accounts');
  const accountKey = await open(account.sealedKey, parseManagerKey(stolen.managerKey).identity);
  const ca = createAcme({
    directory: account.directory,
    accountKey,
    accountUrl: account.accountUrl,
    roots: (account.directory === one.directory ? one : two).roots,
  });
  await misuse(ca);
  await ca.close();
  const done = await expel(since);
  expect(done.lostAccounts).toEqual([{ directory: account.directory, accountUrl: account.accountUrl }]);
  expect(done.accounts).toHaveLength(2);
});

test('an event with wrong fields is no obstacle to expelling its writer, and is void afterwards', async () => {
  const log = await openLog(site.address);
  const { checkpoint } = await readAll(openBus(log, 'test', { trust: site.trust }));
  const { encodeCommit } = await import('@certbus/events/history');
  const position = checkpoint.position + 1;
  const content = {
    format: 1,
    bus: site.trust.busId,
    position,
    previous: checkpoint.hash,
    at: new Date(),
    by: 'mallory',
  };
  const events = [{ type: 'CertificateRemoved', certificateId: 7 } as unknown as WrittenEvent];
  await log.append(
    'test',
    checkpoint.position,
    encodeCommit({ ...content, events }, parseManagerKey(stolen.managerKey).signer),
  );
  const suspect = { manager: 'mallory', key: parseManagerKey(stolen.managerKey).signer.publicKey, since: position };
  const options = { suspect, trust: site.trust, root: rootOf() };
  const first = await recordExpulsion(log, 'test', options);
  const unfinished = await withManager(site, { holder: 'alice' }, async ({ state }) =>
    findUnfinished(first, state.bus),
  );
  expect(unfinished).toMatchObject({ manager: 'mallory', position: first.position });
  expect(first.position).toBe(position + 1);
  expect(await recordExpulsion(log, 'test', options)).toEqual(first);
  await log.close();
  await withManager(site, { holder: 'alice' }, async (manager) => expect(manager.state.bus.voided).toEqual([]));
});
