/** Tests of managers at a real CA: races, crashes, outages, and what stays secret. */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createInterface } from 'node:readline';
import { DatabaseSync } from 'node:sqlite';
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import { open } from '@certbus/events';
import { BEGINNING, type Commit } from '@certbus/events/history';
import { openBus } from '@certbus/store';
import { openLog } from '@certbus/store/open';
import {
  BLOCKED_NAME,
  type ChallTestSrv,
  type Pebble,
  requirePart,
  startChallTestSrv,
  startPebble,
  startTlsProxy,
  temporaryFolder,
  type Verdict,
} from 'certbus-services';
import { bundledProgram } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { configFor, createSite, type ProcessOptions, type Site, withManager } from './manager.builders.ts';
import type { Order } from './manager-process.builders.ts';

const program = await bundledProgram(new URL('./manager-process.builders.ts', import.meta.url));
const forever = new AbortController().signal;
const part = requirePart('pebble');

interface ManagerProcess {
  readonly child: ChildProcess;
  /** Every line said, the result or the error last. */
  readonly ended: Promise<Record<string, unknown>[]>;
}

const running = new Set<ChildProcess>();

function startManager(site: Site, options: ProcessOptions, names: readonly string[]): ManagerProcess {
  const child = spawn(process.execPath, [program.path], {
    env: { ...process.env, ...program.env },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  running.add(child);
  child.stdin?.end(JSON.stringify({ site, options, names } satisfies Order));
  const lines: Record<string, unknown>[] = [];
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => lines.push(JSON.parse(line)));
  const ended = once(child, 'close').then(() => {
    running.delete(child);
    return lines;
  });
  return { child, ended };
}

async function readBus({ address, trust }: Site): Promise<readonly Commit[]> {
  const log = await openLog(address);
  try {
    const { commits, refused } = await openBus(log, 'test', { trust }).read(BEGINNING, {
      limit: 10_000,
      everySignature: true,
    });
    if (refused) throw refused;
    return commits;
  } finally {
    await log.close();
  }
}

const typesOf = (commits: readonly Commit[]): string[] =>
  commits.flatMap(({ events }) => events.map(({ type }) => type));
const countOf = (commits: readonly Commit[], type: string): number =>
  typesOf(commits).filter((said) => said === type).length;

/** Stops a process where it holds no lock of its bus: a machine that stops inside a write holds up all who write there. */
async function stopBetweenWrites(child: ChildProcess, { address }: Site): Promise<void> {
  using database = new DatabaseSync(address.replace(/^sqlite:|#.*$/g, ''), { timeout: 200 });
  for (;;) {
    child.kill('SIGSTOP');
    try {
      database.exec('BEGIN IMMEDIATE; ROLLBACK');
      return;
    } catch {
      child.kill('SIGCONT');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

describe.skipIf(part.skip)(`managers at a real CA${part.skip ? ` (skipped: ${part.reason})` : ''}`, () => {
  const folder = temporaryFolder();
  let dns: ChallTestSrv;
  let ca: Pebble;
  let sites = 0;

  beforeAll(async () => {
    dns = await startChallTestSrv();
    ca = await startPebble({ dnsServer: dns.dns });
  });

  afterAll(async () => {
    for (const child of running) child.kill('SIGKILL');
    await ca?.stop();
    await dns?.stop();
    folder.remove();
  });

  const newSite = (authority: { directory: string; roots: string } = ca) => {
    sites += 1;
    return createSite(`${folder.path}/bus${sites}.db`, configFor(authority, dns));
  };

  test('a wildcard is issued, listed, renewed and removed', async () => {
    const site = await newSite();
    await withManager(site, { holder: 'one' }, async (manager) => {
      const issued = await manager.issue({ names: ['*.One.test', 'one.test.'] }, { signal: forever });
      expect(issued).toMatchObject({ outcome: 'issued', names: ['*.one.test', 'one.test'] });
      expect(await manager.issue({ names: ['one.test', '*.one.test'] }, { signal: forever })).toMatchObject({
        certificateId: issued.certificateId,
        outcome: 'already-managed',
      });
      expect(manager.due()).toEqual([]);
      const renewed = await manager.renew(issued.certificateId, { signal: forever });
      expect(renewed.certificateId).toBe(issued.certificateId);
      expect(renewed.serialNumber).not.toBe(issued.serialNumber);
      await manager.remove(issued.certificateId);
      expect([...manager.state.all()]).toEqual([]);
      await expect(manager.renew(issued.certificateId, { signal: forever })).rejects.toMatchObject({
        code: 'CERTBUS_MANAGER_CERTIFICATE_NOT_FOUND',
      });
    });
    const commits = await readBus(site);
    expect(countOf(commits, 'CertificateObtained')).toBe(2);
    expect(countOf(commits, 'IssuerAdded')).toBeGreaterThan(0);
  });

  test('two managers started at once for the same names: the CA sees one order', async () => {
    const site = await newSite();
    const before = ca.orders();
    const both = ['one', 'two'].map((holder) => startManager(site, { holder }, ['twice.test', 'www.twice.test']));
    const ends = await Promise.all(both.map(({ ended }) => ended));
    expect(ca.orders() - before).toBe(1);
    const results = ends.map((lines) => lines.at(-1));
    expect(results.map((result) => result?.['outcome']).sort()).toEqual(['already-managed', 'issued']);
    expect(new Set(results.map((result) => result?.['certificateId'])).size).toBe(1);
    expect(countOf(await readBus(site), 'CertificateObtained')).toBe(1);
  });

  test.each([
    // The CA made the order, and nobody heard of it: it is made again.
    { when: 'after the claim', url: /new-order|order-plz/i, recorded: 0, orders: 2 },
    { when: 'after the order', url: /authz|chalz/i, recorded: 1, orders: 1 },
    { when: 'after finalize', url: /finalize/i, recorded: 1, orders: 1 },
  ])(
    'killed with SIGKILL $when, the next run ends with one certificate and makes no recorded order twice',
    async ({ when, url, recorded, orders }) => {
      let victim: ChildProcess | undefined;
      let isKilled = false;
      const proxy = await startTlsProxy({
        target: ca.directory,
        targetRoots: ca.roots,
        async onResponse(request) {
          // Pebble refuses one nonce in twenty, and what is refused did nothing.
          if (isKilled || request.method !== 'POST' || request.status >= 400 || !url.test(request.url))
            return 'forward';
          isKilled = true;
          victim?.kill('SIGKILL');
          return 'drop';
        },
      });
      try {
        const site = await newSite(proxy);
        const before = ca.orders();
        // Pebble may take a name for proved that was proved before.
        const names = [`killed-${when.replaceAll(' ', '-')}.test`];
        const first = startManager(site, { holder: 'victim' }, names);
        victim = first.child;
        await first.ended;
        expect(isKilled).toBe(true);
        expect(countOf(await readBus(site), 'OrderCreated')).toBe(recorded);
        const ended = await startManager(site, { holder: 'heir', aheadMs: 3_600_000 }, names).ended;
        expect(ended.at(-1)).toMatchObject({ outcome: 'issued' });
        const commits = await readBus(site);
        expect(countOf(commits, 'CertificateObtained')).toBe(1);
        expect(ca.orders() - before).toBe(orders);
        expect(countOf(commits, 'OrderCreated')).toBe(1);
        expect(typesOf(commits)).toContain('IssuanceTakenOver');
      } finally {
        await proxy.stop();
      }
    },
  );

  test('a manager stopped past its claim and continued after another took over stops, and one certificate results', async () => {
    let stop: () => Promise<void> = async () => {};
    let isStopped = false;
    const stopped = Promise.withResolvers<void>();
    const proxy = await startTlsProxy({
      target: ca.directory,
      targetRoots: ca.roots,
      async onResponse(request): Promise<Verdict> {
        if (isStopped || request.status >= 400 || !/finalize/i.test(request.url)) return 'forward';
        isStopped = true;
        await stop();
        stopped.resolve();
        return 'forward';
      },
    });
    try {
      const site = await newSite(proxy);
      const first = startManager(site, { holder: 'sleeper' }, ['*.stopped.test']);
      stop = () => stopBetweenWrites(first.child, site);
      await stopped.promise;
      const second = await startManager(site, { holder: 'heir', aheadMs: 3_600_000 }, ['*.stopped.test']).ended;
      expect(second.at(-1)).toMatchObject({ outcome: 'issued' });
      first.child.kill('SIGCONT');
      expect((await first.ended).at(-1)).toEqual({ error: 'CERTBUS_MANAGER_CLAIM_LOST' });
      expect(countOf(await readBus(site), 'CertificateObtained')).toBe(1);
      expect(countOf(await readBus(site), 'IssuanceFailed')).toBe(0);
    } finally {
      await proxy.stop();
    }
  });

  test('an interrupted manager releases its claim, and the next one does not wait', async () => {
    const site = await newSite();
    const stop = new AbortController();
    const interrupted = withManager(site, { holder: 'one' }, (manager) =>
      manager.issue(
        { names: ['released.test'] },
        {
          signal: stop.signal,
          onProgress: ({ step }) => {
            if (step === 'order') stop.abort(new Error('interrupted'));
          },
        },
      ),
    );
    await expect(interrupted).rejects.toThrow('interrupted');
    expect(typesOf(await readBus(site))).toContain('IssuanceReleased');
    const before = ca.orders();
    const result = await withManager(site, { holder: 'two' }, (manager) =>
      manager.issue({ names: ['released.test'] }, { signal: forever }),
    );
    expect(result.outcome).toBe('issued');
    expect(ca.orders()).toBe(before);
  });

  test('one certificate that fails holds no other up, and its failure is on the bus', async () => {
    const site = await newSite();
    await withManager(site, { holder: 'one' }, async (manager) => {
      const good = await manager.issue({ names: ['good.test'] }, { signal: forever });
      await expect(manager.issue({ names: [BLOCKED_NAME] }, { signal: forever })).rejects.toMatchObject({
        code: 'CERTBUS_ACME_PROBLEM',
        class: 'permanent-name',
      });
      const far = new Date(Date.now() + 80 * 86_400_000);
      const outcomes = (await manager.runOnce({ signal: forever, at: far })).outcomes;
      expect(outcomes.find(({ certificateId }) => certificateId === good.certificateId)?.outcome).toBe('renewed');
      expect(outcomes.filter(({ outcome }) => outcome === 'failed')).toHaveLength(1);
    });
    expect(countOf(await readBus(site), 'IssuanceFailed')).toBeGreaterThan(0);
  });

  test('where the CA is down, the first failures are on the bus, and the rest is left for the next run', async () => {
    const gone = await startPebble({ dnsServer: dns.dns });
    const site = await newSite(gone);
    await withManager(site, { holder: 'one' }, async (manager) => {
      const names = Array.from({ length: 12 }, (_, index) => `outage${index}.test`);
      for (const name of names) await manager.issue({ names: [name] }, { signal: forever });
      await gone.stop();
      const far = new Date(Date.now() + 80 * 86_400_000);
      const outcomes = (await manager.runOnce({ signal: forever, at: far })).outcomes;
      const failed = outcomes.filter(({ outcome }) => outcome === 'failed');
      expect(failed.length).toBeLessThanOrEqual(5);
      expect(outcomes.filter(({ outcome }) => outcome === 'postponed')).toHaveLength(12 - failed.length);
      const [first] = failed;
      expect(manager.certificate(first?.certificateId ?? '').failure).toMatchObject({
        class: 'authority',
        attempt: 1,
      });
    });
    expect(countOf(await readBus(site), 'IssuanceFailed')).toBeLessThanOrEqual(5);
  });

  test('what keeps failing is tried at the staging CA first, and then at a second CA, which is asked for nothing more', async () => {
    // Pebble may take a name for proved that was proved before; these ask for a proof each time.
    const start = () => startAcmeServer({ validation: { dnsServer: dns.dns } });
    const [production, staging, second] = await Promise.all([start(), start(), start()]);
    const site = await newSite(production);
    let now = Date.now();
    try {
      await withManager(site, { holder: 'one', now: () => new Date(now) }, async (manager) => {
        const config = site.config as { authorities: { pebble: object }; dns: object[] };
        const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });
        const authorities = {
          pebble: { ...authority(production), staging: 'staging', fallback: 'second' },
          staging: authority(staging),
          second: authority(second),
        };
        await manager.configure({ ...config, authorities });
        const { certificateId } = await manager.issue({ names: ['moved.test'] }, { signal: forever });
        const broken = [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }];
        await manager.configure({ ...config, authorities, dns: broken });
        const before = production.orderCount;
        const errors: unknown[] = [];
        for (const expected of [1, 2, 3]) {
          const attempt = () => manager.certificate(certificateId).failure?.attempt;
          await manager.renew(certificateId, { signal: forever }).catch((error) => errors.push(error));
          expect(attempt(), String(errors.at(-1))).toBe(expected);
          now += 3 * 3_600_000;
        }
        // The third attempt did not get past the staging CA.
        expect([production.orderCount - before, staging.orderCount, second.orderCount]).toEqual([2, 1, 0]);
        await manager.configure({ ...config, authorities });
        await manager.renew(certificateId, { signal: forever });
        expect([production.orderCount - before, second.orderCount]).toEqual([2, 1]);
        const renewed = manager.certificate(certificateId);
        expect(renewed).toMatchObject({ directory: production.directory, current: { directory: second.directory } });
        await manager.renew(certificateId, { signal: forever });
        expect([production.orderCount - before, second.orderCount]).toEqual([3, 1]);
        expect(manager.certificate(certificateId).current?.directory).toBe(production.directory);
      });
    } finally {
      await Promise.all([production, staging, second].map((each) => each[Symbol.asyncDispose]()));
    }
    const started = (await readBus(site)).flatMap(({ events }) => events.map(({ event }) => event));
    const orders = started.filter((event) => event?.type === 'IssuanceStarted');
    expect(orders.map((event) => event.fallbackFor !== undefined)).toEqual([false, false, false, false, true, false]);
    expect(orders.map((event) => event.replaces !== undefined)).toEqual([false, true, true, true, false, false]);
  });

  test("with all of a manager's keys no private key on the bus opens; a load balancer's opens each", async () => {
    const site = await newSite();
    await withManager(site, { holder: 'one' }, (manager) =>
      manager.issue({ names: ['sealed.test'] }, { signal: forever }),
    );
    const identity = site.managerKey.split('\n').find((line) => line.startsWith('AGE-SECRET-KEY')) ?? '';
    const edge = site.identities[0]?.split('\n').find((line) => line.startsWith('AGE-SECRET-KEY')) ?? '';
    const sealed = (await readBus(site)).flatMap(({ events }) =>
      events.flatMap(({ event }) =>
        event?.type === 'IssuanceStarted' || event?.type === 'CertificateObtained' ? [event.sealedKey] : [],
      ),
    );
    expect(sealed).toHaveLength(2);
    for (const key of sealed) {
      await expect(open(key, identity)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_NOT_OPENED' });
      expect(await open(key, edge)).toContain('PRIVATE KEY');
    }
  });

  test('a claim is renewed for as long as its order takes', async () => {
    const [CLAIM_MS, RENEWALS] = [60_000, 3];
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    onTestFinished(() => void vi.useRealTimers());
    let aheadMs = 0;
    /** Lets nearly half a claim pass, and its looks fall due until it is renewed. */
    async function passHalf(site: Site, renewals: number): Promise<void> {
      aheadMs += 0.45 * CLAIM_MS;
      while (countOf(await readBus(site), 'IssuanceTakenOver') < renewals) {
        vi.advanceTimersByTime(CLAIM_MS / 4);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    let site: Site;
    const proxy = await startTlsProxy({
      target: ca.directory,
      targetRoots: ca.roots,
      async onResponse({ url }): Promise<Verdict> {
        if (/finalize/i.test(url)) for (let n = 1; n <= RENEWALS; n += 1) await passHalf(site, n);
        return 'forward';
      },
    });
    try {
      site = await newSite(proxy);
      const now = () => new Date(Date.now() + aheadMs);
      await withManager(site, { holder: 'slow', now, claimMs: CLAIM_MS }, async (manager) => {
        const result = await manager.issue({ names: ['slow.test'] }, { signal: forever });
        expect(result.outcome).toBe('issued');
      });
      const renewals = (await readBus(site)).flatMap(({ events }) =>
        events.filter(({ type }) => type === 'IssuanceTakenOver'),
      );
      expect(renewals.length).toBeGreaterThanOrEqual(RENEWALS);
      expect(renewals.every(({ event }) => event?.type === 'IssuanceTakenOver' && event.holder === 'slow')).toBe(true);
    } finally {
      await proxy.stop();
    }
  });

  test('a check-in follows every run that failed nothing, also one that found nothing due', async () => {
    let checkIns = 0;
    const server = createServer((_, response) => {
      checkIns += 1;
      response.end();
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/secret-path`;
    const site = await newSite();
    await withManager(site, { holder: 'one' }, async (manager) => {
      await manager.configure({ ...(site.config as object), checkIn: { url } });
      expect((await manager.runOnce({ signal: forever })).outcomes).toEqual([]);
      expect(checkIns).toBe(1);
      await manager.issue({ names: [BLOCKED_NAME] }, { signal: forever }).catch(() => {});
      const later = new Date(Date.now() + 2 * 86_400_000);
      expect((await manager.runOnce({ signal: forever, at: later })).outcomes).toMatchObject([{ outcome: 'failed' }]);
      expect(checkIns).toBe(1);
      server.close();
      server.closeAllConnections();
      const failed = await manager.runOnce({ signal: forever });
      expect(failed.problems).toMatchObject([
        { during: 'check-in', error: { code: 'CERTBUS_MANAGER_CHECK_IN_FAILED' } },
      ]);
      expect(String(failed.problems[0]?.error)).not.toContain('secret-path');
      expect(failed.next.getTime() - Date.now()).toBeLessThanOrEqual(60_000);
    });
  });

  test("the CA's word on when to renew is asked for, kept, asked for no more often than it says, and followed", async () => {
    const site = await newSite();
    const asked = () => ca.log().match(/GET \S*renewal-?info/gi)?.length ?? 0;
    await withManager(site, { holder: 'asks' }, async (manager) => {
      // Pebble draws one of its profiles where none is asked for, and one of them is for days only.
      const request = { names: ['ari.test'], profile: 'default' };
      const { certificateId } = await manager.issue(request, { signal: forever });
      expect((await manager.runOnce({ signal: forever })).outcomes).toEqual([]);
      const { current, renewalInfo } = manager.certificate(certificateId);
      expect(Date.parse(renewalInfo?.renewAt ?? '')).toBeGreaterThan(Date.now() + 30 * 86_400_000);
      const before = asked();
      expect(before).toBeGreaterThan(0);
      const [leaf = Buffer.alloc(0)] = manager.chain(certificateId);
      const start = new Date(Date.now() - 2 * 3_600_000).toISOString();
      const suggestedWindow = { start, end: new Date(Date.now() - 3_600_000).toISOString() };
      const explanationURL = 'https://ca.test/incident';
      await ca.setRenewalInfo(new X509Certificate(leaf).toString(), { suggestedWindow, explanationURL });
      expect((await manager.runOnce({ signal: forever })).outcomes).toEqual([]);
      expect(asked()).toBe(before);
      expect(manager.certificate(certificateId).current).toEqual(current);
    });
    await withManager(
      site,
      { holder: 'asks again', now: () => new Date(Date.now() + 7 * 3_600_000) },
      async (manager) => {
        const outcomes = (await manager.runOnce({ signal: forever })).outcomes;
        expect(outcomes).toMatchObject([{ names: ['ari.test'], outcome: 'renewed' }]);
      },
    );
    const said = (await readBus(site)).flatMap(({ events }) => events.map(({ event }) => event));
    const windows = said.filter((event) => event?.type === 'RenewalInfoUpdated');
    expect(windows).toMatchObject([{}, { explanationUrl: 'https://ca.test/incident' }]);
    expect(said.findLast((event) => event?.type === 'IssuanceStarted')).toMatchObject({
      replaces: expect.any(String),
    });
  });

  test('a configuration that changed since it was read is not overwritten', async () => {
    const site = await newSite();
    await withManager(site, { holder: 'one' }, async (manager) => {
      await expect(manager.configure(site.config, { expectPosition: 99 })).rejects.toMatchObject({
        code: 'CERTBUS_MANAGER_CONFIG_CHANGED',
      });
      const { position } = (await manager.configuration()) ?? { position: 0 };
      await manager.configure(site.config, { expectPosition: position });
    });
  });
});
