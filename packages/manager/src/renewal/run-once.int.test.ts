/** Tests of one run of a manager: what it says it did, and how it ends at its deadline, by its signal and while work comes. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { PresentedChallenge } from '@certbus/acme';
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import { BEGINNING } from '@certbus/events/history';
import { type Bus, StoreError } from '@certbus/store';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest';
import type { Manager } from '../index.ts';
import { createSite, type ProcessOptions, type Site, withManager } from '../issuance/manager.builders.ts';
import { withBus } from './fleet.builders.ts';
import { idle } from './mass-renewal.builders.ts';

const never = new AbortController().signal;
const HOUR_MS = 3_600_000;
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

const run = <T>(site: Site, options: ProcessOptions, work: (manager: Manager) => Promise<T>): Promise<T> =>
  withManager(site, { now: () => new Date(at), solvers: async () => idle, ...options }, work);

const typesOn = (site: Site): Promise<string[]> =>
  withBus(site, async (bus) => {
    const { commits } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
    return commits.flatMap(({ events }) => events.map(({ type }) => type));
  });

const countOf = async (site: Site, wanted: string) => (await typesOn(site)).filter((type) => type === wanted).length;

/** A bus with certificates for these names, all of them due. */
async function siteWith(names: readonly string[]): Promise<Site> {
  sites += 1;
  const { directory, roots } = ca;
  const site = await createSite(`${folder.path}/bus${sites}.db`, {
    version: 1,
    authorities: { ca: { directory, roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  await run(site, { holder: 'seed' }, async (manager) => {
    for (const name of names) await manager.issue({ names: [name], profile: 'shortlived' }, { signal: never });
  });
  at += 100 * HOUR_MS;
  return site;
}

/** A solver that waits with one name, or with all, to be told to go on, and says that it was reached. */
function gated(only?: string) {
  const [reached, open] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const solver = {
    ...idle,
    async present([first]: readonly PresentedChallenge[], { signal }: { readonly signal: AbortSignal }): Promise<void> {
      if (only !== undefined && first?.name !== only) return undefined;
      reached.resolve();
      return new Promise((resolve, reject) => {
        void open.promise.then(resolve);
        signal.addEventListener('abort', () => reject(signal.reason));
      });
    },
  };
  return { solver, reached: reached.promise, open: () => open.resolve() };
}

test('a run says what it did, and when there is something to do again', async () => {
  const site = await siteWith(['a.test', 'b.test', 'c.test']);
  await run(site, { holder: 'one' }, async (manager) => {
    const first = await manager.runOnce({ limit: 2 });
    expect(first).toMatchObject({ due: 3, renewed: 2, failed: 0, postponed: 1 });
    expect(first.next.getTime()).toBe(at);
    const second = await manager.runOnce({ signal: never });
    expect(second).toMatchObject({ due: 1, renewed: 1, postponed: 0, position: manager.checkpoint.position });
    const third = await manager.runOnce();
    expect(third).toMatchObject({ due: 0, renewed: 0, failed: 0, postponed: 0, outcomes: [] });
    // The CA is asked about them in six hours, before any of them is due.
    expect(third.next.getTime() - at).toBeGreaterThan(60_000);
    expect(third.next.getTime() - at).toBeLessThanOrEqual(24 * HOUR_MS);
  });
});

test('at the deadline the claims are released, what is left is postponed, and the next run goes on with the same order', async () => {
  const site = await siteWith(['d.test', 'e.test', 'f.test']);
  const orders = ca.orderCount;
  const { solver, reached } = gated();
  const deadlineMs = 7_654_321;
  const timers = vi.spyOn(globalThis, 'setTimeout');
  onTestFinished(() => timers.mockRestore());
  const { outcomes, ...counts } = await run(site, { holder: 'late', solvers: async () => solver }, async (manager) => {
    const running = manager.runOnce({ deadline: new Date(at + deadlineMs) });
    await reached;
    // It comes now, however fast this machine is.
    for (const [come, ms] of timers.mock.calls) if (ms === deadlineMs) come();
    return running;
  });
  expect(counts).toMatchObject({ due: 3, renewed: 0, failed: 0, postponed: 3 });
  expect(outcomes.map(({ outcome, error }) => [outcome, error])).toEqual(Array(3).fill(['postponed', undefined]));
  expect(await countOf(site, 'IssuanceReleased')).toBe((await countOf(site, 'IssuanceStarted')) - 3);
  expect(await countOf(site, 'IssuanceFailed')).toBe(0);
  await run(site, { holder: 'next' }, async (manager) =>
    expect(await manager.runOnce()).toMatchObject({ due: 3, renewed: 3 }),
  );
  expect(ca.orderCount - orders).toBe(3);
});

test.each(['renewalInfo', 'newOrder', 'finalize', 'certificate'] as const)(
  'a store that takes nothing once the CA was asked for %s, and goes on trying, holds up no run after its deadline',
  async (wanted) => {
    const site = await siteWith([`full-${wanted.toLowerCase()}.test`]);
    const deadlineMs = 7_654_321;
    const timers = vi.spyOn(globalThis, 'setTimeout');
    let isFull = false;
    const off = ca.on('request', ({ resource }) => {
      isFull ||= resource === wanted;
    });
    onTestFinished(() => {
      off();
      timers.mockRestore();
    });
    const throughLog: ProcessOptions['throughLog'] = (log) => ({
      ...log,
      async append(...call) {
        if (!isFull) return log.append(...call);
        for (const [come, ms] of timers.mock.calls) if (ms === deadlineMs) come();
        const { signal = never } = call[3] ?? {};
        if (!signal.aborted) await once(signal, 'abort');
        throw signal.reason;
      },
    });
    const ended = await run(site, { holder: 'full', throughLog }, (manager) =>
      manager.runOnce({ deadline: new Date(at + deadlineMs) }),
    );
    expect(ended).toMatchObject({ due: 1, renewed: 0, failed: 0, postponed: 1 });
    off();
    // What is claimed and could not be released lapses.
    at += HOUR_MS;
    const { renewed, failed } = await run(site, { holder: 'next' }, (manager) => manager.runOnce());
    expect({ renewed, failed }).toEqual({ renewed: 1, failed: 0 });
    expect(await countOf(site, 'CertificateObtained')).toBe(2);
  },
);

test('a deadline that has passed starts no order, and is no failure', async () => {
  const site = await siteWith(['g.test']);
  const orders = ca.orderCount;
  await run(site, { holder: 'late' }, async (manager) =>
    expect(await manager.runOnce({ deadline: new Date(at) })).toMatchObject({ due: 1, failed: 0, postponed: 1 }),
  );
  expect(ca.orderCount).toBe(orders);
});

test('the signal releases the claims, and the run rejects with its reason', async () => {
  const site = await siteWith(['h.test']);
  const { solver, reached } = gated();
  const stop = new AbortController();
  await run(site, { holder: 'stopped', solvers: async () => solver }, async (manager) => {
    const running = manager.runOnce({ signal: stop.signal });
    await reached;
    stop.abort(new Error('stopped'));
    await expect(running).rejects.toThrow('stopped');
  });
  expect((await typesOn(site)).at(-1)).toBe('IssuanceReleased');
});

test('what a process that has ended still claims is gone on with at once, by one that knows of its end', async () => {
  const site = await siteWith(['killed.test']);
  const { solver, reached } = gated();
  const stop = new AbortController();
  let isDead = false;
  const throughBus = (bus: Bus): Bus => ({
    ...bus,
    append: (...call) =>
      isDead ? Promise.reject(new StoreError('CERTBUS_STORE_UNREACHABLE', 'it is dead')) : bus.append(...call),
  });
  await run(site, { holder: 'killed', solvers: async () => solver, throughBus }, async (manager) => {
    const running = manager.runOnce({ signal: stop.signal });
    await reached;
    isDead = true;
    stop.abort(new Error('killed'));
    await expect(running).rejects.toThrow('killed');
  });
  const orders = ca.orderCount;
  const renewedBy = (options: ProcessOptions) =>
    run(site, options, async (manager) => (await manager.runOnce()).renewed);
  expect(await renewedBy({ holder: 'elsewhere' })).toBe(0);
  expect(await renewedBy({ holder: 'next', hasEnded: (holder) => holder === 'killed' })).toBe(1);
  expect(ca.orderCount).toBe(orders);
});

test('what another manager leaves behind is taken up by a run that is under way', async () => {
  const site = await siteWith(['i.test']);
  const own = gated('i.test');
  await run(site, { holder: 'busy', solvers: async () => own.solver }, async (manager) => {
    const left = Promise.withResolvers<string>();
    const running = manager.runOnce({
      onProgress({ step, names: [name = ''] }) {
        if (step === 'recorded') left.resolve(name);
      },
    });
    await own.reached;
    const other = gated();
    const stop = new AbortController();
    await run(site, { holder: 'leaves', solvers: async () => other.solver }, async (leaving) => {
      const issuing = leaving.issue({ names: ['new.test'] }, { signal: stop.signal });
      await other.reached;
      stop.abort(new Error('stopped'));
      await expect(issuing).rejects.toThrow('stopped');
    });
    await manager.refresh();
    expect(await left.promise).toBe('new.test');
    own.open();
    expect(await running).toMatchObject({ due: 2, renewed: 2 });
  });
});

test('where a check-in is wanted within two hours, the next run comes by then although nothing is due', async () => {
  let checkIns = 0;
  const server = createServer((_, response) => {
    checkIns += 1;
    response.end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const site = await siteWith([]);
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  const nextWith = (checkIn: object) =>
    run(site, { holder: 'one' }, async (manager) => {
      await manager.configure({ ...(site.config as object), checkIn });
      return (await manager.runOnce()).next.getTime() - at;
    });
  expect(await nextWith({ url, within: '2h' })).toBe(2 * HOUR_MS);
  expect(await nextWith({ url })).toBeGreaterThan(2 * HOUR_MS);
  expect(checkIns).toBe(2);
  server.closeAllConnections();
  server.close();
});

test('what fails beside the renewals is reported next to their outcomes, which no failure hides', async () => {
  const site = await siteWith(['a.test']);
  const configure = (manager: Manager) =>
    manager.configure({ ...(site.config as object), checkIn: { url: 'http://127.0.0.1:1/secret-path' } });
  await run(site, { holder: 'configures' }, configure);
  const result = await run(site, { holder: 'one' }, (manager) => manager.runOnce({ signal: never }));
  expect(result).toMatchObject({ due: 1, renewed: 1, outcomes: [{ outcome: 'renewed', names: ['a.test'] }] });
  const error = expect.objectContaining({ code: 'CERTBUS_MANAGER_CHECK_IN_FAILED' });
  expect(result.problems).toEqual([{ during: 'check-in', error }]);
  expect(String(result.problems[0]?.error)).not.toContain('secret-path');
  expect(result.next.getTime() - at).toBeLessThanOrEqual(60_000);

  // A bus that takes the renewal, and then no heartbeat: its newest commit is from a clock that is days ahead.
  at += 100 * HOUR_MS;
  const failing = (bus: Bus): Bus => ({
    ...bus,
    append: (checkpoint, events, options) =>
      events.some((event) => 'type' in event && event.type === 'Heartbeat')
        ? Promise.reject(new StoreError('CERTBUS_STORE_UNREACHABLE', 'the bus is away'))
        : bus.append(checkpoint, events, options),
  });
  const ahead = { type: 'NamesRegained' as const, certificateId: result.outcomes[0]?.certificateId ?? '' };
  let isAhead = false;
  const throughBus = (bus: Bus): Bus => {
    const through = failing(bus);
    return {
      ...through,
      async append(checkpoint, events, options) {
        const written = await through.append(checkpoint, events, options);
        const isRenewed = events.some((event) => 'type' in event && event.type === 'CertificateObtained');
        if (!isRenewed || isAhead) return written;
        isAhead = true;
        await bus.append(written.checkpoint, [ahead], { at: new Date(at + 100 * HOUR_MS) });
        return written;
      },
    };
  };
  const beside = await run(site, { holder: 'two', throughBus }, (manager) => manager.runOnce({ signal: never }));
  expect(beside).toMatchObject({ due: 1, renewed: 1, outcomes: [{ outcome: 'renewed' }] });
  expect(beside.problems).toMatchObject([{ during: 'heartbeat', error: { code: 'CERTBUS_STORE_UNREACHABLE' } }]);
});
