/**
 * Tests of campaigns at the strict ACME server, on its clock: each run is a manager of its own with an empty replica, so that all it knows
 * is what the bus says.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { LETS_ENCRYPT_LIMITS, type Solver } from '@certbus/acme';
import { type AcmeServer, letsEncryptLimits, startAcmeServer } from '@certbus/acme-server';
import {
  createIdentity,
  createManagerKey,
  createOpener,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { BEGINNING, type Commit, signRootEvent } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { type CampaignStatus, type Manager, type RunResult, requestChange, signRequest } from '../../index.ts';
import { createSite, type Site, withManager } from '../../issuance/manager.builders.ts';
import { idle } from '../mass-renewal.builders.ts';

const MINUTE_MS = 60_000;
const { signal } = new AbortController();
const folder = temporaryFolder();
let ca: AcmeServer;
let site: Site;
let sites = 0;
let processes = 0;

beforeEach(async () => {
  ca = await startAcmeServer({ validation: { alwaysValid: true }, limits: letsEncryptLimits });
  sites += 1;
  site = await createSite(`${folder.path}/bus${sites}.db`, {
    version: 1,
    authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    parallelOrders: 4,
  });
  return () => ca[Symbol.asyncDispose]();
});
afterAll(() => folder.remove());

/** Runs as another process of another manager would. */
function asAnother<T>(run: (manager: Manager) => Promise<T>, solver: Solver = idle, who = site): Promise<T> {
  processes += 1;
  const fixed = { now: () => ca.clock.now(), limits: () => LETS_ENCRYPT_LIMITS, solvers: async () => solver };
  return withManager(who, { holder: `process ${processes}`, ...fixed }, run);
}

const runOnce = (solver?: Solver): Promise<RunResult> => asAnother((manager) => manager.runOnce({ signal }), solver);
const issue = (...names: readonly string[]) =>
  asAnother(async (manager) => {
    const ids: string[] = [];
    for (const name of names) ids.push((await manager.issue({ names: [name] }, { signal })).certificateId);
    return ids;
  });
const status = (campaignId: string): Promise<CampaignStatus> =>
  asAnother((manager) => manager.campaign(campaignId, { signal }));
const start = (predicate: object, ordersPerHour?: number): Promise<CampaignStatus> =>
  asAnother(async (manager) => {
    const started = await manager.startCampaign({ predicate, ordersPerHour }, { signal });
    if (!started) throw new TypeError('there is something to replace');
    return started;
  });
const advanceTo = (instant: Date) => ca.clock.advance(Math.max(0, instant.getTime() - ca.clock.now().getTime()));
const refusals = () => ca.requests.filter(({ problem }) => problem === 'rateLimited');

async function withRootBus<T>(run: (bus: ReturnType<typeof openBus>) => Promise<T>): Promise<T> {
  const log = await openLog(site.address);
  try {
    return await run(openBus(log, 'test', { trust: site.trust, signer: parseRootKey(site.rootKey) }));
  } finally {
    await log.close();
  }
}

const eventsOf = async () => {
  const { commits } = await withRootBus((bus) => bus.read(BEGINNING, { limit: 1_000 }));
  return (commits as readonly Commit[]).flatMap(({ events }) => events.flatMap(({ event }) => event ?? []));
};

/** Lets the root name one recipient in the place of all others; returns the position. */
async function replaceRecipients(name: string): Promise<number> {
  const { recipient } = await parseIdentityFile(await createIdentity());
  return withRootBus(async (bus) => {
    const { checkpoint } = await bus.read(BEGINNING, { limit: 1_000, consistent: true });
    const body = { type: 'RecipientsUpdated', recipients: [{ name, recipient }] } as const;
    const event = signRootEvent(parseRootKey(site.rootKey), site.trust.busId, checkpoint.rootSequence + 1, body);
    return (await bus.append(checkpoint, [event], { at: ca.clock.now() })).checkpoint.position;
  });
}

test('a campaign that is broken off goes on with another manager: one order each, and what was replaced by other means is done', async () => {
  const ids = await issue('n0.test', 'n1.test', 'n2.test', 'n3.test', 'n4.test', 'n5.test', 'other.test');
  const since = await replaceRecipients('edge2');
  await issue('n6.test', 'later.test');
  ca.clock.advance(MINUTE_MS);

  // What is meant is found by the state alone, and a campaign says when it would be done before it begins.
  const plan = (predicate: object) => asAnother((manager) => manager.planCampaign({ predicate }, { signal }));
  const counted = async (predicate: object) => (await plan(predicate)).forecast.certificates;
  expect(await counted({})).toBe(9);
  expect(await counted({ sealedTo: 'edge' })).toBe(7);
  expect(await counted({ sealedTo: 'edge2', pattern: 'n*' })).toBe(1);
  expect(await counted({ obtainedBy: 'alice', obtainedSince: since })).toBe(2);
  expect(await counted({ obtainedSince: since, domain: 'later.test' })).toBe(1);
  await expect(plan({ sealedTo: 'nobody' })).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_RECIPIENT_NOT_FOUND' });
  await expect(plan({ obtainedBy: 'bob' })).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_MANAGER_NOT_FOUND' });
  const predicate = { sealedTo: 'edge', pattern: 'n*.test' };
  const { forecast, same } = await plan(predicate);
  expect({ same, certificates: forecast.certificates }).toEqual({ same: undefined, certificates: 6 });
  expect(forecast.servedAt.getTime()).toBeGreaterThan(forecast.replacedAt.getTime());

  const { campaignId } = await start(predicate);
  expect((await start(predicate)).campaignId).toBe(campaignId);
  // Nothing is due, so only the campaign gives anybody work.
  const stop = new AbortController();
  const isOrdered = { count: 0 };
  await expect(
    asAnother((manager) =>
      manager.runOnce({
        signal: stop.signal,
        onProgress({ step }) {
          if (step === 'order') isOrdered.count += 1;
          if (isOrdered.count === 3) stop.abort(new Error('killed'));
        },
      }),
    ),
  ).rejects.toThrow('killed');
  const middle = await status(campaignId);
  expect(middle).toMatchObject({ state: 'running', certificates: 6, ordersPerHour: undefined });
  expect(middle.done).toBeLessThan(6);
  // A person renews one meanwhile, and one is removed.
  const [byHand = '', removed = ''] = ids.filter((id) => !ids.slice(6).includes(id)).slice(4);
  await asAnother((manager) => manager.renew(byHand, { signal }));
  await asAnother((manager) => manager.remove(removed));

  const outcomes = (await runOnce()).outcomes.map(({ outcome }) => outcome);
  expect(new Set(outcomes)).toEqual(new Set(['renewed']));
  expect(await status(campaignId)).toMatchObject({ state: 'completed', done: 6, failingCount: 0, forecast: undefined });
  const { due } = await runOnce();
  expect(due).toBe(0);
  expect(refusals()).toEqual([]);
  // Nine were issued, and each of the campaign once more but the removed one, unless its order was under way.
  const events = await eventsOf();
  const renewed = events.filter((event) => event.type === 'CertificateObtained' && event.reason === 'renewal');
  expect(ca.certificates()).toHaveLength(9 + renewed.length);
  const renewedIds = renewed.flatMap((event) => ('certificateId' in event ? [event.certificateId] : []));
  expect(new Set(renewedIds).size).toBe(renewedIds.length);
  expect(renewedIds).toEqual(expect.arrayContaining(ids.slice(0, 5)));
  expect(renewedIds).not.toContain(ids[6]);
  const claims = events.flatMap((event) => (event.type === 'IssuanceStarted' ? [event.campaignId] : []));
  expect(claims.filter((id) => id === campaignId).length).toBeGreaterThanOrEqual(4);
});

test('campaigns are shown as they stood at an instant, with what was expected then', async () => {
  const look = (at?: Date) => asAnother((manager) => manager.campaigns({ at, signal }));
  const untilNext = () => {
    const now = ca.clock.now();
    ca.clock.advanceDays(1);
    return now;
  };
  await issue('e0.test', 'e1.test', 'e2.test');
  const before = untilNext();
  const { campaignId } = await start({}, 1);
  const seen = [{ status: await status(campaignId), at: untilNext() }];
  await runOnce();
  seen.push({ status: await status(campaignId), at: untilNext() });
  await asAnother((manager) => manager.cancelCampaign(campaignId, { signal }));
  seen.push({ status: await status(campaignId), at: untilNext() });
  expect(seen.map(({ status: { state, done } }) => [state, done])).toEqual([
    ['running', 0],
    ['running', 1],
    ['cancelled', 1],
  ]);

  const whole = ({ forecast, ...rest }: CampaignStatus) => ({
    ...rest,
    left: forecast?.certificates,
    limits: forecast?.authorities.map(({ boundBy }) => boundBy),
  });
  for (const { status: then, at } of seen) {
    expect((await look(at)).map(whole)).toEqual([whole(then)]);
    const one = await asAnother((manager) => manager.campaign(campaignId, { at, signal }));
    expect(whole(one)).toEqual(whole(then));
    // One an hour from then on, which is days ago.
    const hours = one.forecast && (one.forecast.replacedAt.getTime() - at.getTime()) / (60 * MINUTE_MS);
    expect(hours ?? 1).toBeGreaterThan(0);
    expect(hours ?? 1).toBeLessThan(4);
  }
  expect(await look(before)).toEqual([]);
  await expect(asAnother((manager) => manager.campaign(campaignId, { at: before, signal }))).rejects.toMatchObject({
    code: 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND',
  });
  // The bus did not exist.
  expect(await look(new Date(0))).toEqual([]);
  expect((await look()).map(({ state }) => state)).toEqual(['cancelled']);
});

test('by issuer, a campaign replaces what that CA’s certificate issued, and nothing else', async () => {
  await using second = await startAcmeServer({ validation: { alwaysValid: true }, now: () => ca.clock.now() });
  const { directory, roots } = second;
  const { authorities, ...config } = site.config as { readonly authorities: object };
  const both = { ...authorities, second: { directory, roots, termsOfServiceAgreed: true } };
  await asAnother((manager) => manager.configure({ ...config, authorities: both }));
  const [own = ''] = await issue('own.test');
  const other = await asAnother((manager) => manager.issue({ names: ['other.test'], authority: 'second' }, { signal }));
  const issuers = await asAnother(async (manager) => {
    await manager.refresh();
    return [own, other.certificateId].map((id) => manager.certificate(id).current?.issuers[0] ?? '');
  });
  expect(new Set(issuers).size).toBe(2);
  for (const [index, certificateId] of [own, other.certificateId].entries()) {
    const { campaignId } = await start({ issuer: issuers[index] });
    expect(await runOnce()).toMatchObject({ due: 1, outcomes: [{ certificateId, outcome: 'renewed' }] });
    expect(await status(campaignId)).toMatchObject({ state: 'completed', certificates: 1 });
  }
  expect(
    await asAnother((manager) => manager.startCampaign({ predicate: { issuer: 'A'.repeat(43) } }, { signal })),
  ).toBeUndefined();
});

/** Makes another manager of the bus, with the root key at hand. */
async function addManager(name: string): Promise<Site> {
  const managerKey = await createManagerKey();
  const { recipient } = await parseIdentityFile(managerKey);
  const manager = { name, signingKey: parseManagerKey(managerKey).signer.publicKey, recipient };
  await asAnother(async (alice) => {
    const request = await requestChange(await alice.rootState(), site.trust.busId, { kind: 'add-manager', manager });
    if (!request) throw new TypeError('it is one already');
    const { rootSequence } = alice.checkpoint;
    await alice.appendChange(signRequest(request, { root: parseRootKey(site.rootKey), rootSequence }));
  });
  return { ...site, managerKey };
}

test('by manager, a campaign replaces what it obtained or made the key of since then, also where another one completed the order', async () => {
  await issue('before.test');
  const bob = await addManager('bob');
  const asBob = <T>(run: (manager: Manager) => Promise<T>) => asAnother(run, idle, bob);
  const [early] = [await asBob((manager) => manager.issue({ names: ['early.test'] }, { signal }))];
  const { position } = await asBob(async ({ checkpoint }) => checkpoint);
  const { certificateId: late } = await asBob((manager) => manager.issue({ names: ['late.test'] }, { signal }));
  // Bob's order is broken off, and alice completes it with the key that bob made.
  const stop = new AbortController();
  const onProgress = ({ step }: { readonly step: string }) => step === 'order' && stop.abort(new Error('gone'));
  const begun = asBob((manager) => manager.issue({ names: ['begun.test'] }, { signal: stop.signal, onProgress }));
  await expect(begun).rejects.toThrow('gone');
  const [completed = ''] = await issue('begun.test', 'honest.test');

  const since = await start({ obtainedBy: 'bob', obtainedSince: position + 1 });
  expect(since.certificates).toBe(2);
  const { outcomes } = await runOnce();
  expect(outcomes.map(({ certificateId }) => certificateId).sort()).toEqual([late, completed].sort());
  expect(await status(since.campaignId)).toMatchObject({ state: 'completed', done: 2 });
  // Without a position everything of bob's that is left; alice has obtained the two meanwhile.
  await start({ obtainedBy: 'bob' });
  expect(await runOnce()).toMatchObject({ due: 1, outcomes: [{ certificateId: early.certificateId }] });
});

test('a pace is kept by all managers together, the next run is when there is room, and what is cancelled stays as it is', async () => {
  await issue(...Array.from({ length: 8 }, (_, n) => `p${n}.test`));
  const asked = ca.clock.now().getTime();
  const { campaignId, forecast } = await start({}, 8);
  const told = ca.clock.now().getTime();
  // Two at once, and six more at one each 450 s, from some moment in between on.
  const replacedAt = (forecast?.replacedAt.getTime() ?? 0) - (6 * 450 + 7) * 1_000;
  expect(replacedAt).toBeGreaterThan(asked - 500);
  expect(replacedAt).toBeLessThan(told + 500);
  expect(forecast?.authorities).toMatchObject([{ boundBy: 'rate' }]);
  const runs = await Promise.all([runOnce(), runOnce()]);
  expect((await status(campaignId)).begun).toBe(2);
  expect(runs.reduce((sum, { renewed }) => sum + renewed, 0)).toBe(2);
  const again = await runOnce();
  expect(again.renewed).toBe(0);
  const minutes = (again.next.getTime() - ca.clock.now().getTime()) / MINUTE_MS;
  expect(minutes).toBeGreaterThan(6);
  expect(minutes).toBeLessThan(7.6);
  advanceTo(again.next);
  expect((await runOnce()).renewed).toBe(1);
  expect(await status(campaignId)).toMatchObject({ state: 'running', begun: 3, done: 3, certificates: 8 });
  expect(await asAnother((manager) => manager.cancelCampaign(campaignId, { signal }))).toMatchObject({
    state: 'cancelled',
    done: 3,
  });
  ca.clock.advance(60 * MINUTE_MS);
  expect(await runOnce()).toMatchObject({ due: 0, renewed: 0 });
  expect(await asAnother((manager) => manager.campaigns({ signal }))).toMatchObject([{ campaignId, done: 3 }]);
  await expect(status('campaign9')).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_CAMPAIGN_NOT_FOUND' });
});

test('one that always fails holds no other up, is listed with its reason, and ends the campaign once it works', async () => {
  const [bad = ''] = await issue('bad.test', 'good1.test', 'good2.test');
  const { campaignId } = await start({ pattern: '*.test' });
  const broken: Solver = {
    ...idle,
    async present(challenges) {
      if (challenges.some(({ name }) => name === 'bad.test')) throw new Error('the zone is locked');
    },
  };
  const first = await runOnce(broken);
  expect(first).toMatchObject({ renewed: 2, failed: 1 });
  const failing = await status(campaignId);
  expect(failing).toMatchObject({ state: 'running', done: 2, failingCount: 1 });
  expect(failing.failing).toMatchObject([{ certificateId: bad, names: ['bad.test'], attempts: 1 }]);
  expect(failing.failing[0]?.detail).toContain('the zone is locked');
  // It waits for its back-off, and so does the next run.
  expect(first.next.getTime()).toBeLessThanOrEqual(failing.failing[0]?.notBefore.getTime() ?? 0);
  expect(await runOnce()).toMatchObject({ renewed: 0 });
  advanceTo(failing.failing[0]?.notBefore ?? new Date());
  expect(await runOnce()).toMatchObject({ renewed: 1 });
  expect(await status(campaignId)).toMatchObject({ state: 'completed', done: 3, failing: [] });
});

test('what a stolen identity could open is revoked by its own key once it was replaced and served for a while, and nothing else', async () => {
  const [, , left = ''] = await issue('x1.test', 'x2.test', 'y.test');
  await replaceRecipients('edge2');
  await issue('new.test');
  await start({ sealedTo: 'edge', domain: 'x1.test' });
  await start({ sealedTo: 'edge', pattern: 'x2*' });
  expect((await runOnce()).renewed).toBe(2);
  const request = { predicate: { sealedTo: 'edge' } };
  const look = () => asAnother((manager) => manager.revocable(request, { signal }));
  const found = await look();
  expect(found.map(({ names: [name], state }) => [name, state]).sort()).toEqual([
    ['x1.test', 'waiting'],
    ['x2.test', 'waiting'],
    ['y.test', 'not-replaced'],
  ]);
  const until = found.find(({ state }) => state === 'waiting')?.until ?? new Date();
  expect(until.getTime()).toBeGreaterThan(ca.clock.now().getTime() + 59 * MINUTE_MS);
  expect(
    (await asAnother((manager) => manager.revokeReplaced(request, { reason: 'keyCompromise', signal }))).length,
  ).toBe(3);
  ca.clock.advance(61 * MINUTE_MS);

  const revocations = () => ca.requests.filter(({ resource }) => resource === 'revokeCert');
  expect(revocations()).toEqual([]);
  const revokeAs = async (file: string) => {
    const { identity } = await parseIdentityFile(file);
    return asAnother((manager) => manager.revokeReplaced(request, { reason: 'keyCompromise', identity, signal }));
  };
  // What became ready after people were asked is not revoked.
  const shown = await asAnother((manager) =>
    manager.revokeReplaced(request, { reason: 'keyCompromise', leafHashes: [], signal }),
  );
  expect(shown.map(({ outcome }) => outcome).sort()).toEqual(['not-replaced', 'waiting', 'waiting']);
  expect(revocations()).toEqual([]);
  const failed = await revokeAs(await createIdentity());
  expect(failed.map(({ outcome }) => outcome).sort()).toEqual(['failed', 'failed', 'not-replaced']);
  expect(failed.find(({ error }) => error)?.error).toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
  const revoked = await revokeAs(site.identities[0] ?? '');
  expect(revoked.map(({ outcome }) => outcome).sort()).toEqual(['not-replaced', 'revoked', 'revoked']);
  // Each is signed by the certificate's own key, which no account stands behind.
  expect(revocations().map(({ account, status: answer }) => [account, answer])).toEqual([
    [undefined, 200],
    [undefined, 200],
  ]);
  const reasons = (await eventsOf()).flatMap((event) => (event.type === 'CertificateRevoked' ? [event.reason] : []));
  expect(reasons).toEqual([1, 1]);
  expect(await look()).toMatchObject([{ certificateId: left, state: 'not-replaced' }]);
  expect(await runOnce()).toMatchObject({ due: 0 });
});

/** Removes a certificate, and imports the same one again; returns its new id. */
const removeAndImport = (certificateId: string, identity: string) =>
  asAnother(async (manager) => {
    await manager.refresh();
    const [leaf, ...others] = manager.chain(certificateId).map((der) => new X509Certificate(der));
    const { current } = manager.certificate(certificateId);
    if (!leaf || !current) throw new TypeError('it is served');
    const key = createPrivateKey(await createOpener(identity).openKeyOf(current));
    await manager.remove(certificateId);
    const candidate = { source: 'again.pem', ca: { directory: ca.directory }, leaf, others, key };
    const [outcome] = await manager.importCertificates([candidate], { signal });
    return outcome?.certificateId ?? '';
  });

test('leaves that were replaced many times, and those of removed certificates, are revoked as well, but none that is imported again', async () => {
  const [old = '', gone = '', back = ''] = await issue('old.test', 'gone.test', 'back.test');
  await replaceRecipients('edge2');
  for (let n = 0; n < 5; n += 1) {
    await asAnother((manager) => manager.renew(old, { signal }));
    ca.clock.advance(2 * 24 * 60 * MINUTE_MS);
  }
  await asAnother((manager) => manager.remove(gone));
  const { identity } = await parseIdentityFile(site.identities[0] ?? '');
  const again = await removeAndImport(back, identity);
  ca.clock.advance(61 * MINUTE_MS);
  const request = { predicate: { sealedTo: 'edge' } };
  const revoke = () =>
    asAnother((manager) => manager.revokeReplaced(request, { reason: 'keyCompromise', identity, signal }));
  const outcomes = await revoke();
  const expected = { [gone]: 'revoked', [old]: 'revoked', [back]: 'not-replaced', [again]: 'not-replaced' };
  expect(Object.fromEntries(outcomes.map(({ certificateId, outcome }) => [certificateId, outcome]))).toEqual(expected);
  const removed = outcomes.flatMap(({ certificateId, isRemoved }) => (isRemoved ? [certificateId] : []));
  expect(removed.sort()).toEqual([gone, back].sort());
  expect(
    ca.requests.filter(({ resource, status: answer }) => resource === 'revokeCert' && answer === 200),
  ).toHaveLength(2);
  expect((await revoke()).map(({ certificateId }) => certificateId).sort()).toEqual([again, back].sort());
});
