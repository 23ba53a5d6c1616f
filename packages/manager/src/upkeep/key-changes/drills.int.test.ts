/** The drills of docs/guides/drills.md: what a thief, a loss or a person who leaves can still do once the commands of the page were run. */
import { createAcme, findAccountKey } from '@certbus/acme';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import {
  createIdentity,
  createManagerKey,
  createRootKey,
  type Manager as NamedManager,
  open,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { BEGINNING, type Commit, encodeCommit } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  appendChangeAsRoot,
  examineRequest,
  findSuspect,
  type KeyChange,
  type Manager,
  requestChange,
  signRequest,
} from '../../index.ts';
import { configFor, createSite, type Site, withManager } from '../../issuance/manager.builders.ts';
import { isStateless } from '../../state/accounts.ts';

const { signal } = new AbortController();
const folder = temporaryFolder();
let dns: DnsServer;
let ca: AcmeServer;
/** Alice's. */
let site: Site;
let sites = 0;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});
beforeEach(async () => {
  sites += 1;
  const config = configFor(ca, { url: dns.url, dns: dns.address }) as { readonly dns: readonly object[] };
  const secret = { zones: ['cloudflare.test'], provider: 'cloudflare', token: 'hunter2' };
  site = await createSite(`${folder.path}/bus${sites}.db`, { ...config, dns: [secret, ...config.dns] });
  await as(site, (manager) => manager.register({ signal }));
});

const as = <T>(who: Site, run: (manager: Manager) => Promise<T>) => withManager(who, { holder: 'drill' }, run);
const issue = (who: Site, name: string) => as(who, (manager) => manager.issue({ names: [name] }, { signal }));

/** A machine of another manager: its keys, and their public halves. */
async function another(name: string): Promise<{ readonly machine: Site; readonly named: NamedManager }> {
  const managerKey = await createManagerKey();
  const { recipient } = await parseIdentityFile(managerKey);
  const { signer } = parseManagerKey(managerKey);
  return { machine: { ...site, managerKey }, named: { name, signingKey: signer.publicKey, recipient } };
}

/** What `certbus manager` and `certbus recipient` do with the root key at hand. */
async function change(who: Site, made: KeyChange): Promise<ReturnType<Manager['appendChange']>> {
  const root = parseRootKey(site.rootKey);
  return as(who, async (manager) => {
    const request = await requestChange(await manager.rootState(), site.trust.busId, made);
    if (!request) throw new TypeError('it is in force already');
    const { rootSequence } = await examineRequest(request, { trust: site.trust, rootKey: root.publicKey });
    return manager.appendChange(signRequest(request, { root, rootSequence }));
  });
}

async function readAll(): Promise<readonly Commit[]> {
  const log = await openLog(site.address);
  const { commits, refused } = await openBus(log, 'test', { trust: site.trust }).read(BEGINNING, { limit: 1_000 });
  await log.close();
  if (refused) throw refused;
  return commits;
}

/** How many of the private keys that the whole history of the bus has an identity opens. */
async function countOpened(identity: string): Promise<number> {
  const sealed = (await readAll()).flatMap(({ events }) =>
    events.flatMap(({ event }) => (event && 'certificateId' in event && 'sealedKey' in event ? [event.sealedKey] : [])),
  );
  const opened = await Promise.all(sealed.map((each) => open(each, identity).catch(() => '')));
  return opened.filter((text) => text.includes('PRIVATE KEY')).length;
}

/** The key of the bus's account in the clear, as this machine's manager opens it, and its thumbprint. */
const accountOf = (who: Site) =>
  as(who, async ({ state }) => {
    const [account] = state.bus.accounts;
    if (!account) throw new TypeError('there is an account');
    const { sealedKey, thumbprint } = account;
    return { accountKey: await open(sealedKey, parseManagerKey(who.managerKey).identity), thumbprint };
  });

/** Whether the CA takes this key for the account, or a load balancer answers for it without announcement. */
async function isOfUse({ accountKey, thumbprint }: Awaited<ReturnType<typeof accountOf>>, by: Site) {
  const acme = createAcme({ directory: ca.directory, accountKey, roots: ca.roots });
  const known = await findAccountKey(acme, { accountKeys: [accountKey], signal });
  await acme.close();
  const answered = await as(by, async ({ state }) => isStateless(state.bus, thumbprint));
  return { known: known !== undefined, answered };
}

/** Whether a machine can write to the bus: with our own program, and past it. */
async function expectToWriteNothing(who: Site): Promise<void> {
  await expect(as(who, (manager) => manager.configure(site.config))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
  });
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust });
  const { checkpoint } = await bus.read(BEGINNING, { limit: 1_000 });
  const content = { format: 1, bus: site.trust.busId, position: checkpoint.position + 1, previous: checkpoint.hash };
  const bytes = encodeCommit(
    { ...content, at: new Date(), by: 'alice', events: [{ type: 'Heartbeat' }] },
    parseManagerKey(who.managerKey).signer,
  );
  await log.append('test', checkpoint.position, bytes);
  const { refused } = await bus.read(checkpoint);
  expect(refused).toMatchObject({ code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE' });
  await log.maintenance?.replace('test', checkpoint.position + 1, { found: bytes, bytes: undefined });
  await log.close();
}

test('a stolen manager key: the thief writes nothing, orders nothing, opens no key, and what it could read is listed', async () => {
  const { machine: thief, named } = await another('laptop');
  await change(site, { kind: 'add-manager', manager: named });
  const before = await issue(site, 'before.test');
  const since = (await readAll()).length + 1;
  const taken = await issue(thief, 'taken.test');
  const renewed = await as(thief, (manager) => manager.renew(before.certificateId, { signal }));
  const stolen = await accountOf(thief);
  const bus = openBus(await openLog(site.address), 'test', { trust: site.trust });
  const { head: _, earliest: __, ...suspect } = await findSuspect(bus, { manager: 'laptop', since });
  await bus.close();
  await change(site, { kind: 'expel-manager', suspect });
  const complete = () => as(site, (manager) => manager.completeExpulsion({ signal }));
  const done = await complete();
  expect(done.secrets).toEqual([{ path: 'dns.0.token', variable: undefined }]);
  expect(done.certificates).toMatchObject([
    { certificateId: taken.certificateId, serialNumber: taken.serialNumber },
    { certificateId: before.certificateId, serialNumber: renewed.serialNumber },
  ]);
  await expectToWriteNothing(thief);
  expect(await isOfUse(stolen, site)).toEqual({ known: false, answered: false });
  expect(await countOpened(parseManagerKey(thief.managerKey).identity)).toBe(0);
  // What only the thief obtained is replaced by the next run, before anybody comes to revoke it; what was good is served all the time.
  expect(await as(site, (manager) => manager.runOnce({ signal }))).toMatchObject({ due: 1, renewed: 1 });
  const served = () =>
    as(site, async ({ state }) =>
      [before, taken].map(({ certificateId }) => state.certificate(certificateId)?.current?.serialNumber),
    );
  const [kept, replacement] = await served();
  expect([kept, replacement === taken.serialNumber]).toEqual([before.serialNumber, false]);
  const revoked: string[] = [];
  // The manager's serial numbers are Node's, which leave a leading zero byte out.
  const off = ca.on('revocation', ({ serial }) => void revoked.push(serial.toUpperCase().replace(/^00/, '')));
  for (const { certificateId, serialNumber } of done.certificates)
    await as(site, (manager) => manager.revoke({ certificateId, serialNumber, reason: 'keyCompromise' }, { signal }));
  off();
  expect(revoked).toEqual([taken.serialNumber, renewed.serialNumber]);
  expect(await served()).toEqual([kept, replacement]);
  expect((await complete()).certificates).toEqual([]);
});

test('a lost manager key: the root names another, which puts the configuration back and goes on with another account', async () => {
  const { machine: bob, named } = await another('new');
  const root = parseRootKey(site.rootKey);
  const lost = parseManagerKey(site.managerKey).signer.publicKey;
  const log = await openLog(site.address);
  const bus = openBus(log, 'test', { trust: site.trust, signer: root });
  const rootState = () => as(bob, (manager) => manager.rootState());
  const request = await requestChange(await rootState(), site.trust.busId, { kind: 'add-manager', manager: named });
  if (!request) throw new TypeError('it is asked for');
  const { rootSequence } = await examineRequest(request, { trust: site.trust, rootKey: root.publicKey });
  await appendChangeAsRoot(bus, signRequest(request, { root, rootSequence }), { state: rootState });
  await log.close();
  await as(bob, (manager) => manager.configure(site.config));
  const since = (await readAll()).length + 1;
  await change(bob, { kind: 'expel-manager', suspect: { manager: 'alice', key: lost, since } });
  const done = await as(bob, (manager) => manager.completeExpulsion({ signal }));
  expect([done.lostAccounts.length, done.accounts.length, done.certificates]).toEqual([1, 1, []]);
  expect(await issue(bob, 'later.test')).toMatchObject({ outcome: 'issued' });
  await expectToWriteNothing(site);
});

test('a stolen load balancer: what is sealed afterwards does not open, and what could be opened is replaced and revoked', async () => {
  const { certificateId } = await issue(site, 'edge.test');
  const removedId = (await issue(site, 'gone.test')).certificateId;
  await as(site, (manager) => manager.remove(removedId));
  const { identity: stolen } = await parseIdentityFile(site.identities[0] ?? '');
  const { identity, recipient } = await parseIdentityFile(await createIdentity());
  const listed = { count: 1, certificates: [{ certificateId, names: ['edge.test'] }] };
  const added = await change(site, { kind: 'add-recipient', recipient: { name: 'edge-2', recipient } });
  expect([added.unopenable, added.openable.count]).toEqual([listed, 0]);
  const removed = await change(site, { kind: 'remove-recipient', name: 'edge' });
  // No server shows the removed one, and the thief could.
  const gone = { certificateId: removedId, names: ['gone.test'] };
  expect(removed.openable).toEqual({ count: 2, certificates: [...listed.certificates, gone] });
  expect([removed.removedRecipients, removed.unopenable.count]).toEqual([[{ name: 'edge', sealedTo: 'edge' }], 0]);
  const before = await countOpened(stolen);
  await issue(site, 'after.test');
  await as(site, async (manager) => {
    const { campaignId } = (await manager.startCampaign({ predicate: { sealedTo: 'edge' } }, { signal })) ?? {};
    await manager.runOnce({ signal });
    expect(await manager.campaign(campaignId ?? '', { signal })).toMatchObject({ certificates: 1, done: 1 });
    const [replaced] = manager.state.certificate(certificateId)?.predecessors ?? [];
    const { serialNumber } = replaced ?? {};
    await manager.revoke({ certificateId, reason: 'keyCompromise', serialNumber }, { signal });
    for (const { current } of manager.state.all()) {
      expect(await open(current?.sealedKey ?? '', identity)).toContain('PRIVATE KEY');
      await expect(open(current?.sealedKey ?? '', stolen)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
    }
  });
  // It opens what it could open, and nothing else.
  expect(await countOpened(stolen)).toBe(before);
});

test('a lost root key: managers go on, no other root changes anything, and a new bus takes the place of the old one', async () => {
  const { named } = await another('new');
  const found = parseRootKey(createRootKey());
  await as(site, async (manager) => {
    const request = await requestChange(await manager.rootState(), site.trust.busId, {
      kind: 'add-manager',
      manager: named,
    });
    if (!request) throw new TypeError('it is asked for');
    await expect(examineRequest(request, { trust: site.trust, rootKey: found.publicKey })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_REQUEST_REFUSED',
    });
    const { rootSequence } = manager.checkpoint;
    await expect(manager.appendChange(signRequest(request, { root: found, rootSequence }))).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_REQUEST_REFUSED',
    });
  });
  expect(await issue(site, 'still.test')).toMatchObject({ outcome: 'issued' });
  const next = await createSite(`${folder.path}/next.db`, site.config);
  expect(next.trust.rootKey).not.toBe(site.trust.rootKey);
  expect(await issue(next, 'still.test')).toMatchObject({ outcome: 'issued' });
});

test('a person leaves: the key writes nothing, reads nothing that follows, and the account has another key', async () => {
  const { machine: carol, named } = await another('carol');
  await change(site, { kind: 'add-manager', manager: named });
  await issue(carol, 'carol.test');
  const known = await accountOf(carol);
  const { exposure } = await change(site, { kind: 'remove-manager', name: 'carol' });
  expect(exposure).toMatchObject({
    secrets: [{ path: 'dns.0.token' }],
    accounts: [expect.stringContaining('https://')],
  });
  await as(site, async (manager) => {
    await manager.rollOverAccounts({ signal });
    const json = (await manager.configuration())?.json as { readonly dns: readonly object[] };
    await manager.configure({ ...json, dns: json.dns.with(0, { ...json.dns[0], token: 'hunter3' }) });
  });
  await expectToWriteNothing(carol);
  expect(await isOfUse(known, site)).toEqual({ known: false, answered: false });
  const { identity } = parseManagerKey(carol.managerKey);
  await as(site, async ({ state: { bus } }) => {
    for (const sealed of [bus.config?.sealed ?? '', ...bus.accounts.map(({ sealedKey }) => sealedKey)])
      await expect(open(sealed, identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
  });
  // What was issued stays as it is: nobody but the recipients ever had those keys.
  expect(await countOpened(identity)).toBe(0);
});
