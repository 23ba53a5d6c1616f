/** Tests that people are told of what needs them: once, over all managers, whatever breaks on the way. */
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import type { BusEvent } from '@certbus/events';
import { BEGINNING, MAX_ALERTS, type WrittenEvent } from '@certbus/events/history';
import { type Bus, StoreError } from '@certbus/store';
import { requirePart, startAlertmanager, temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { tellsAt } from '../../decide/deliveries.ts';
import type { Manager } from '../../index.ts';
import { createSite, type ProcessOptions, type Site, withManager } from '../../issuance/manager.builders.ts';
import { obtained, withBus } from '../../renewal/fleet.builders.ts';
import { idle } from '../../renewal/mass-renewal.builders.ts';
import { startHook } from './place.builders.ts';

const { signal } = new AbortController();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** A CA that is not there. */
const AWAY = 'https://127.0.0.1:1/dir';
const folder = temporaryFolder();
let ca: AcmeServer;
let at = Date.parse('2026-11-28T12:00:00Z');
let sites = 0;

beforeAll(async () => {
  ca = await startAcmeServer({ now: () => new Date(at), validation: { alwaysValid: true } });
});
afterAll(async () => {
  await ca[Symbol.asyncDispose]();
  folder.remove();
});

/** A DNS provider at which some names cannot be changed. */
function solverFor(broken: ReadonlySet<string>) {
  const present: typeof idle.present = async (challenges) => {
    if (challenges.some(({ name }) => broken.has(name))) throw new Error('the DNS provider answers 500');
  };
  return async () => ({ ...idle, present });
}

const run = <T>(site: Site, options: ProcessOptions, work: (manager: Manager) => Promise<T>): Promise<T> =>
  withManager(site, { now: () => new Date(at), solvers: async () => idle, ...options }, work);

const runOnce = (site: Site, options: ProcessOptions) => run(site, options, (manager) => manager.runOnce({ signal }));

async function siteWith(alerts: object, directory = ca.directory): Promise<Site> {
  sites += 1;
  const site = await createSite(`${folder.path}/bus${sites}.db`, {
    version: 1,
    authorities: { ca: { directory, roots: ca.roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    alerts,
  });
  await write(site, [{ type: 'Heartbeat' }]);
  return site;
}

/** What the bus says of alerts, oldest first. */
const alertsOn = (site: Site): Promise<readonly BusEvent[]> =>
  withBus(site, async (bus) => {
    const { commits } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
    const events = commits.flatMap((commit) => commit.events.flatMap(({ event }) => event ?? []));
    return events.filter(({ type }) => type === 'AlertRaised' || type === 'AlertCleared');
  });

/** Writes events behind the head of a bus. */
const write = (site: Site, events: readonly WrittenEvent[], writtenAt = at) =>
  withBus(site, async (bus) => {
    let { checkpoint } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
    for (let n = 0; n < events.length; n += 100)
      ({ checkpoint } = await bus.append(checkpoint, events.slice(n, n + 100), { at: new Date(writtenAt) }));
  });

/** Writes certificates, each obtained when its lifetime began. */
async function writeFleet(site: Site, certificates: ReturnType<typeof fleet>): Promise<void> {
  await write(site, certificates, Date.parse(certificates[0]?.notBefore ?? ''));
  await write(site, [{ type: 'Heartbeat' }]);
}

/** A name that the CA will not take. */
const failureOf = (certificateId: string): WrittenEvent => ({
  type: 'IssuanceFailed',
  issuanceId: 'issuance0002',
  certificateId,
  problem: 'urn:ietf:params:acme:error:rejectedIdentifier',
  class: 'permanent-name',
  detail: 'no',
  attempt: 1,
  notBefore: new Date(at + DAY_MS).toISOString(),
  directory: AWAY,
});

/** Certificates of 90 days that a CA issued, of which so much of the lifetime is over. */
const fleet = (count: number, { directory = AWAY, overMs = 61 * DAY_MS, prefix = 'certificate' } = {}) =>
  Array.from({ length: count }, (_, n) => ({
    ...obtained(`${prefix}${String(n).padStart(4, '0')}`),
    directory,
    notBefore: new Date(at - overMs).toISOString(),
    notAfter: new Date(at - overMs + 90 * DAY_MS).toISOString(),
  }));

test('one name that always fails leaves the others alone, backs off, is told of once, and recovers by itself', {
  tags: 'full',
}, async () => {
  const count = sized({ small: 8, full: 100 });
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } });
  const broken = new Set(['n0.test']);
  const names = Array.from({ length: count }, (_, n) => `n${n}.test`);
  await run(site, { holder: 'seed' }, async (manager) => {
    for (const name of names) await manager.issue({ names: [name], profile: 'shortlived' }, { signal });
  });
  at += 81 * HOUR_MS;
  await write(site, [{ type: 'Heartbeat' }]);
  const go = (holder: string) => runOnce(site, { holder, solvers: solverFor(broken) });
  const first = await go('one');
  expect(first).toMatchObject({ due: count, renewed: count - 1, failed: 1 });
  const id = first.outcomes.find(({ outcome }) => outcome === 'failed')?.certificateId ?? '';
  // One attempt can be a mishap.
  expect(hook.said()).toEqual([]);
  const attempts: number[] = [];
  const begun = at;
  await run(site, { holder: 'waits', solvers: solverFor(broken) }, async (manager) => {
    // Sleeps as a daemon does, for two hours.
    for (let next = new Date(at); next.getTime() < begun + 2 * HOUR_MS; ) {
      at = Math.max(at + MINUTE_MS, next.getTime());
      const result = await manager.runOnce({ signal });
      if (result.failed > 0) attempts.push((at - begun) / MINUTE_MS);
      ({ next } = result);
    }
  });
  // 1, 10 and 100 minutes apart, as it wakes.
  expect(attempts.length).toBe(3);
  expect(hook.said()).toEqual([`raised failing ${id}`]);
  expect(hook.requests[0]?.[0]).toMatchObject({
    severity: 'warning',
    detail: expect.stringMatching(/^n0\.test: .*the DNS provider answers 500/),
  });
  broken.clear();
  at += 9 * HOUR_MS;
  expect(await go('last')).toMatchObject({ renewed: 1, failed: 0 });
  await go('later');
  expect(hook.said()).toEqual([`raised failing ${id}`, `cleared failing ${id}`]);
  expect(hook.requests[1]?.[0]?.id).toBe(hook.requests[0]?.[0]?.id);
  expect(await alertsOn(site)).toMatchObject([
    { type: 'AlertRaised', alert: 'failing', subject: id },
    { type: 'AlertCleared', alert: 'failing', subject: id },
  ]);
});

test('a thousand names that fail because of one CA are one alert, and so are a thousand that fail by themselves', {
  tags: 'full',
}, async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } }, AWAY);
  const count = sized({ small: 100, full: 1_000 });
  await writeFleet(site, fleet(count));
  const away = await runOnce(site, { holder: 'one' });
  expect(away.outcomes.length).toBe(count);
  expect(hook.said()).toEqual([`raised ca-outage ${AWAY}`]);
  at += 5 * MINUTE_MS;
  await runOnce(site, { holder: 'two' });
  expect(hook.requests.length).toBe(1);

  const own = await siteWith({ ops: { webhook: hook.url } }, AWAY);
  const failing = fleet(count, { overMs: DAY_MS });
  await writeFleet(own, failing);
  await write(
    own,
    failing.map(({ certificateId }) => failureOf(certificateId)),
  );
  at += MINUTE_MS;
  await runOnce(own, { holder: 'one' });
  expect(hook.said().slice(1)).toEqual(['raised failing *']);
  expect(hook.requests.at(-1)?.[0]?.detail).toMatch(
    /^\d+ certificates(?: or so)?, one of them certificate\d+\.test: no/,
  );
});

test('what is about to end and what has ended is told of, and that it is over', async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } }, AWAY);
  const certificates = fleet(1, { overMs: 80 * DAY_MS });
  await writeFleet(site, certificates);
  const id = 'certificate0000';
  const said = async (holder: string) => {
    const before = hook.said().length;
    await runOnce(site, { holder });
    return hook.said().slice(before).toSorted();
  };
  expect(await said('a')).toEqual([`raised ca-outage ${AWAY}`, `raised nearing-floor ${id}`]);
  at += 11 * DAY_MS;
  await write(site, [{ type: 'Heartbeat' }]);
  expect(await said('b')).toEqual([`cleared nearing-floor ${id}`, `raised expired ${id}`]);
  expect(hook.requests.at(-1)?.find(({ alert }) => alert === 'expired')).toMatchObject({
    severity: 'critical',
    since: certificates[0]?.notAfter,
  });
  expect(await said('c')).toEqual([]);
  await write(site, [{ type: 'CertificateRemoved', certificateId: id }]);
  expect(await said('d')).toEqual([`cleared ca-outage ${AWAY}`, `cleared expired ${id}`]);
  expect(await run(site, { holder: 'e' }, async ({ state }) => state.bus.alerts)).toEqual([]);
});

test('a bus that nobody wrote to for two days, and one that cannot be written, are told of', async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } });
  at += 49 * HOUR_MS;
  const quiet = new Date(at - 49 * HOUR_MS).toISOString();
  await runOnce(site, { holder: 'one' });
  expect(hook.said()).toEqual(['raised frozen-bus bus']);
  expect(hook.requests[0]?.[0]?.since).toBe(quiet);
  const { next } = await runOnce(site, { holder: 'two' });
  expect(hook.said()).toEqual(['raised frozen-bus bus', 'cleared frozen-bus bus']);
  expect(next.getTime() - at).toBeGreaterThan(HOUR_MS);

  // Where nothing can be written each manager tells people, once.
  at += 49 * HOUR_MS;
  const refusing = (bus: Bus): Bus => ({
    ...bus,
    append: () => Promise.reject(new StoreError('CERTBUS_STORE_UNREACHABLE', 'no one may write')),
  });
  const options = { throughBus: refusing };
  await Promise.all(
    ['three', 'four'].map((holder) =>
      run(site, { holder, ...options }, async (manager) => {
        const problems = [];
        for (let n = 0; n < 3; n += 1) problems.push((await manager.runOnce({ signal })).problems);
        expect(problems.flat()).toContainEqual(expect.objectContaining({ during: 'heartbeat' }));
        expect(problems.at(-1)).toContainEqual(expect.objectContaining({ during: 'alerts' }));
      }),
    ),
  );
  expect(hook.said().slice(2)).toEqual(['raised frozen-bus bus', 'raised frozen-bus bus']);
  // A bus that cannot even be read.
  const unreadable = (bus: Bus): Bus => ({
    ...bus,
    read: (...given) =>
      isAway ? Promise.reject(new StoreError('CERTBUS_STORE_UNREACHABLE', 'away')) : bus.read(...given),
  });
  let isAway = false;
  await run(site, { holder: 'five', throughBus: unreadable }, async (manager) => {
    isAway = true;
    for (let n = 0; n < 2; n += 1) await expect(manager.runOnce({ signal })).rejects.toThrow('away');
  });
  expect(hook.said().slice(4)).toEqual(['raised frozen-bus bus']);
});

test('an alert that was sent and not recorded comes again after a restart, and one that could not be sent is sent a day later', async () => {
  const [hook, other] = [await startHook(), await startHook()];
  const site = await siteWith({ ops: { webhook: hook.url }, other: { webhook: other.url } }, AWAY);
  await writeFleet(site, fleet(1));
  other.breakWith((_, response) => void response.writeHead(500).end('secret-answer'));
  const crashing = (bus: Bus): Bus => ({
    ...bus,
    append: (checkpoint, events, options) =>
      events.some((event) => 'type' in event && event.type === 'AlertRaised')
        ? Promise.reject(new StoreError('CERTBUS_STORE_UNREACHABLE', 'the process is gone'))
        : bus.append(checkpoint, events, options),
  });
  await runOnce(site, { holder: 'crashes', throughBus: crashing });
  expect([hook.said().length, await alertsOn(site)]).toEqual([1, []]);
  at += 10 * MINUTE_MS;
  const failed = await runOnce(site, { holder: 'restarted' });
  expect(hook.said()).toEqual(Array(2).fill(`raised ca-outage ${AWAY}`));
  expect(failed.problems).toMatchObject([{ during: 'alerts', error: { code: 'CERTBUS_MANAGER_ALERT_NOT_SENT' } }]);
  const message = String(failed.problems[0]?.error);
  expect(message).toContain('"other": 127.0.0.1:');
  expect(message).not.toMatch(/secret-/);
  expect(await alertsOn(site)).toMatchObject([{ type: 'AlertRaised', pending: ['other'] }]);

  // Over before it is back: it is told of both at once, and only the one that knew is told now.
  await write(site, [{ type: 'CertificateRemoved', certificateId: 'certificate0000' }]);
  at += 10 * MINUTE_MS;
  await runOnce(site, { holder: 'meanwhile' });
  expect(hook.said().at(-1)).toBe(`cleared ca-outage ${AWAY}`);
  expect(await alertsOn(site)).toMatchObject([{}, { type: 'AlertCleared', pending: ['other'] }]);
  other.breakWith(undefined);
  at += DAY_MS;
  await runOnce(site, { holder: 'a day later' });
  expect([hook.said().length, other.said()]).toEqual([3, [`cleared ca-outage ${AWAY}`]]);
  expect(other.requests[0]?.[0]).toMatchObject({ summary: expect.stringContaining('over: a CA fails: ') });
  await runOnce(site, { holder: 'at rest' });
  expect([hook.said().length, other.said().length]).toEqual([3, 1]);
});

test('a bus full of alerts of a thief, which no commit could clear at once, takes those of managers, who tell of them once', async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } }, AWAY);
  await writeFleet(site, fleet(1));
  const since = new Date(at).toISOString();
  const raise = (alert: string, subject: string) => ({
    type: 'AlertRaised' as const,
    alert,
    subject,
    detail: '',
    since,
  });
  const long = Array.from({ length: 100 }, (_, n) => raise('failing', `${n}${'x'.repeat(4_000)}`));
  for (let n = 0; n < long.length; n += 50) await write(site, long.slice(n, n + 50));
  await write(
    site,
    Array.from({ length: MAX_ALERTS - long.length }, (_, n) => raise('moon-phase', `${n}`)),
  );
  const raised = () => hook.said().filter((line) => line.startsWith('raised'));
  expect((await runOnce(site, { holder: 'one' })).problems).toEqual([]);
  expect([raised(), hook.said().length]).toEqual([[`raised ca-outage ${AWAY}`], 1 + long.length]);
  const alerts = await run(site, { holder: 'two' }, async (manager) => {
    for (let n = 0; n < 2; n += 1) await manager.runOnce({ signal });
    return manager.state.bus.alerts;
  });
  expect(hook.said()).toHaveLength(1 + long.length);
  expect(alerts.filter(({ alert }) => alert !== 'moon-phase').map(({ alert }) => alert)).toEqual(['ca-outage']);
  // As long as there is room, what a later release has to say stays.
  expect(alerts).toHaveLength(MAX_ALERTS - long.length + 1);
  const appended = await alertsOn(site);
  expect(appended.filter((event) => 'alert' in event && event.alert === 'ca-outage')).toHaveLength(1);
});

test('of two managers that both see what neither met, one tells people, and the other finds it recorded', async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } }, AWAY);
  const [one] = fleet(1, { overMs: DAY_MS });
  const failed = failureOf('certificate0000');
  await write(site, one ? [one] : [], at - DAY_MS);
  await write(site, [failed]);
  const seenAt = new Date(at);
  const alert = { kind: 'failing' as const, subject: 'certificate0000', detail: '', since: seenAt, seenAt };
  const [first, second] = ['one', 'two']
    .map((holder) => ({ holder, from: tellsAt(alert, holder)?.getTime() ?? 0 }))
    .toSorted((a, b) => a.from - b.from);
  if (!first || !second) return expect.unreachable();
  const { next } = await runOnce(site, { holder: second.holder });
  expect([hook.said(), next]).toEqual([[], new Date(second.from)]);
  at = first.from;
  await runOnce(site, { holder: first.holder });
  at = second.from;
  await runOnce(site, { holder: second.holder });
  expect(hook.said()).toEqual(['raised failing certificate0000']);
});

test('an archive that cannot be written is told of by what writes it, and that it can be again', async () => {
  const hook = await startHook();
  const site = await siteWith({ ops: { webhook: hook.url } });
  let isFull = true;
  const place = {
    name: 'here',
    put: async () => {
      if (isFull) throw new StoreError('CERTBUS_STORE_UNREACHABLE', 'the bucket is full');
    },
    get: async () => undefined,
    update: async () => {},
    close: async () => {},
  };
  const archive = place as unknown as NonNullable<ProcessOptions['archive']>;
  await run(site, { holder: 'one', archive }, async (manager) => {
    await expect(manager.snapshot()).rejects.toThrow('full');
    await expect(manager.snapshot()).rejects.toThrow('full');
    isFull = false;
    await manager.snapshot();
  });
  expect(hook.said()).toEqual(['raised archive-failing archive', 'cleared archive-failing archive']);
});

test('a test reaches every place, and says of each what is wrong, without its secrets', async () => {
  const hook = await startHook();
  const site = await siteWith({
    ops: { webhook: { env: 'CERTBUS_SECRET_HOOK' } },
    wrong: { webhook: { env: 'CERTBUS_SECRET_OTHER' } },
    pager: { alertmanager: 'http://127.0.0.1:1', token: { env: 'CERTBUS_SECRET_HOOK' } },
  });
  const variables: Readonly<Record<string, string>> = {
    CERTBUS_SECRET_HOOK: hook.url,
    CERTBUS_SECRET_OTHER: 'secret-of-another',
  };
  await run(site, { holder: 'one', secrets: (name) => variables[name] }, async (manager) => {
    const results = await manager.testAlerts({ signal });
    expect(results).toMatchObject([
      { name: 'ops', error: undefined },
      { name: 'wrong', error: { code: 'CERTBUS_MANAGER_ALERT_NOT_SENT' } },
      { name: 'pager', error: { message: expect.stringContaining('which this machine does not allow') } },
    ]);
    expect(results.map(({ error }) => String(error)).join()).not.toMatch(/secret-/);
    await expect(manager.testAlerts({ names: ['nobody'], signal })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_CONFIG_INVALID',
    });
  });
  expect(hook.said()).toEqual(['raised test test']);
  expect(await alertsOn(site)).toEqual([]);
});

const alertmanagerPart = requirePart('prometheus');

describe.skipIf(alertmanagerPart.skip)(alertmanagerPart.title('an Alertmanager'), () => {
  interface Shown {
    readonly labels: Readonly<Record<string, string>>;
    readonly annotations: Readonly<Record<string, string>>;
    readonly startsAt: string;
    readonly endsAt: string;
  }

  test('has what is raised, is sent it again while it is, and is told when it is over', async () => {
    const am = await startAlertmanager();
    onTestFinished(() => am.stop());
    const shown = async () => (await (await fetch(`${am.url}/api/v2/alerts`)).json()) as readonly Shown[];
    // Its clock is the machine's.
    at = Date.now();
    const site = await siteWith({ pager: { alertmanager: `${am.url}/` } }, AWAY);
    await writeFleet(site, fleet(1));
    await runOnce(site, { holder: 'one' });
    const [first] = await shown();
    const { busId } = site.trust;
    expect(first).toMatchObject({
      labels: { alertname: 'CertBusCaOutage', severity: 'warning', service: 'certbus', bus: busId, subject: AWAY },
      annotations: { summary: expect.stringContaining('CertBus: a CA fails: ') },
    });
    expect(Date.parse(first?.endsAt ?? '') - at).toBe(26 * HOUR_MS);
    expect(await alertsOn(site)).toMatchObject([{ type: 'AlertRaised' }]);

    at += 10 * MINUTE_MS;
    const { next } = await runOnce(site, { holder: 'two' });
    const [again, ...more] = await shown();
    expect([again?.startsAt, more, Date.parse(again?.endsAt ?? '') - at]).toEqual([first?.startsAt, [], 26 * HOUR_MS]);
    expect(next.getTime() - at).toBeLessThanOrEqual(5 * MINUTE_MS);

    at = Date.now();
    await write(site, [{ type: 'CertificateRemoved', certificateId: 'certificate0000' }]);
    await runOnce(site, { holder: 'three' });
    expect(await shown()).toEqual([]);
    expect(await alertsOn(site)).toMatchObject([{ type: 'AlertRaised' }, { type: 'AlertCleared' }]);
    await run(site, { holder: 'four' }, async (manager) => {
      expect(await manager.testAlerts({ signal })).toEqual([{ name: 'pager', error: undefined }]);
    });
    expect(await shown()).toMatchObject([{ labels: { alertname: 'CertBusTest' } }]);
  });
});
