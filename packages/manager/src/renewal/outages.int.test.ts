/** Tests what an outage of a CA leaves on the bus, and that what waited for its end is renewed once it is over. */
import { type AcmeServer, type LoggedRequest, startAcmeServer } from '@certbus/acme-server';
import { BEGINNING } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import type { Manager, RenewalOutcome } from '../index.ts';
import { createSite, type Site, withManager } from '../issuance/manager.builders.ts';
import type { Progress } from '../issuance/progress.ts';
import { withBus } from './fleet.builders.ts';
import { idle } from './mass-renewal.builders.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const { signal } = new AbortController();
const ALWAYS = { times: Number.POSITIVE_INFINITY };
const shortlived = (names: readonly string[]) => ({ names, profile: 'shortlived' });

/** A bus, its CA and a second one behind it, and one clock for all. */
interface Two {
  readonly own: AcmeServer;
  readonly second: AcmeServer;
  readonly site: Site;
  advance(ms: number): void;
  /** Runs with a manager of its own. */
  run<T>(holder: string, work: (manager: Manager) => Promise<T>): Promise<T>;
  /** The events of the bus, oldest first. */
  events(): Promise<readonly { readonly type: string }[]>;
}

async function start({ hasFallback = false } = {}): Promise<Two> {
  let at = Date.parse('2026-11-28T12:00:00Z');
  const now = () => new Date(at);
  const folder = temporaryFolder();
  const startOne = () => startAcmeServer({ now, validation: { alwaysValid: true } });
  const [own, second] = await Promise.all([startOne(), startOne()]);
  onTestFinished(async () => {
    await Promise.all([own, second].map((each) => each[Symbol.asyncDispose]()));
    folder.remove();
  });
  const authority = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });
  const authorities = {
    own: { ...authority(own), ...(hasFallback ? { fallback: 'second' } : {}) },
    second: authority(second),
  };
  const dns = [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }];
  const site = await createSite(`${folder.path}/bus.db`, { version: 1, authorities, defaultAuthority: 'own', dns });
  return {
    own,
    second,
    site,
    advance(ms) {
      at += ms;
    },
    run: (holder, work) => withManager(site, { holder, now, solvers: async () => idle }, work),
    events: () =>
      withBus(site, async (bus) => {
        const { commits } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
        return commits.flatMap(({ events }) => events.map(({ event }) => event)).filter((event) => event !== undefined);
      }),
  };
}

const kinds = (outcomes: readonly RenewalOutcome[]) => outcomes.map(({ outcome }) => outcome);
const issueAll = async (manager: Manager, names: readonly string[]) => {
  for (const name of names) await manager.issue(shortlived([name]), { signal });
};

test('while a CA is down nothing is claimed, and what was heard of it is on the bus once', async () => {
  const { own, advance, run, events } = await start();
  await run('seed', (manager) => issueAll(manager, ['a.test', 'b.test', 'c.test']));
  advance(100 * HOUR_MS);
  const before = (await events()).length;
  own.faults.inject({ kind: 'status', status: 503 }, ALWAYS);
  // Asking when to renew (RFC 9773) finds the CA down before any renewal does.
  await run('one', async (manager) => {
    const outcomes = (await manager.runOnce({ signal })).outcomes;
    expect(kinds(outcomes)).toEqual(['postponed', 'postponed', 'postponed']);
    for (const { error } of outcomes) expect(String(error)).toMatch(/refused the directory: .*HTTP 503/);
    await manager.runOnce({ signal });
  });
  await run('two', (manager) => manager.runOnce({ signal }));
  const written = (await events()).slice(before).filter(({ type }) => type.startsWith('Issuance'));
  expect(written).toMatchObject([{ type: 'IssuanceFailed', class: expect.stringMatching(/authority|rate-limited/) }]);
  expect(JSON.stringify(written)).not.toContain('BREAKER_OPEN');
});

test('the back-off of an outage ends with the outage, for a manager that saw it and for another', async () => {
  const { own, advance, run } = await start();
  await run('seed', (manager) => issueAll(manager, ['a.test', 'b.test']));
  advance(100 * HOUR_MS);
  await run('one', async (manager) => {
    own.faults.inject({ kind: 'drop', when: 'before' }, ALWAYS);
    await manager.runOnce({ signal });
    own.faults.clear();
    // The breaker lets one request look.
    advance(MINUTE_MS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed', 'renewed']);
  });
  advance(100 * HOUR_MS);
  own.faults.inject({ kind: 'drop', when: 'before' }, ALWAYS);
  await run('two', (manager) => manager.runOnce({ signal }));
  own.faults.clear();
  await run('three', async (manager) => {
    expect([...manager.state.all()].filter(({ failure }) => failure !== undefined)).toHaveLength(1);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed', 'renewed']);
  });
});

test("the CA's own Retry-After is kept after the outage", async () => {
  const { own, advance, run } = await start();
  await run('seed', (manager) => issueAll(manager, ['a.test']));
  advance(100 * HOUR_MS);
  own.faults.inject({ kind: 'status', status: 503, retryAfter: 3600 }, ALWAYS);
  await run('one', (manager) => manager.runOnce({ signal }));
  own.faults.clear();
  advance(30 * MINUTE_MS);
  await run('two', async (manager) =>
    expect(kinds((await manager.runOnce({ signal })).outcomes)).not.toContain('renewed'),
  );
  advance(31 * MINUTE_MS);
  await run('three', async (manager) =>
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed']),
  );
});

test('in one process, a Retry-After of a day does not go past the emergency floor', async () => {
  const { own, advance, run } = await start();
  await run('one', async (manager) => {
    await issueAll(manager, ['a.test']);
    advance(130 * HOUR_MS);
    own.faults.inject({ kind: 'status', status: 503, retryAfter: DAY_MS / 1000 }, ALWAYS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).not.toContain('renewed');
    own.faults.clear();
    advance(4 * HOUR_MS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).not.toContain('renewed');
    advance(2 * HOUR_MS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed']);
  });
});

test('in one process, with a second CA, it is asked once the certificate is urgent, and not before', async () => {
  const { own, second, advance, run } = await start({ hasFallback: true });
  await run('one', async (manager) => {
    await issueAll(manager, ['a.test']);
    advance(130 * HOUR_MS);
    own.faults.inject({ kind: 'status', status: 503, retryAfter: DAY_MS / 1000 }, ALWAYS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).not.toContain('renewed');
    expect(second.orderCount).toBe(0);
    advance(3 * HOUR_MS);
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed']);
    expect(second.orderCount).toBe(1);
    expect([...manager.state.all()]).toMatchObject([
      { directory: own.directory, current: { directory: second.directory } },
    ]);
  });
});

test('an outage that leaves an order open is on the bus as well, at once where another certificate waits, else once the order has waited too long', async () => {
  const { own, advance, run } = await start();
  await run('seed', (manager) => issueAll(manager, ['a.test', 'b.test']));
  advance(100 * HOUR_MS);
  const isBehindOrder = ({ resource }: LoggedRequest) => resource === 'authorization' || resource === 'order';
  own.faults.inject({ kind: 'drop', when: 'before' }, { ...ALWAYS, matches: isBehindOrder });
  const failures = (manager: Manager) => [...manager.state.all()].map(({ failure }) => failure?.class);
  const hasOrder = (manager: Manager) =>
    [...manager.state.all()].map(({ issuance }) => issuance?.orderUrl !== undefined);
  await run('one', async (manager) => {
    await manager.runOnce({ signal, limit: 1 });
    expect([hasOrder(manager), failures(manager)]).toEqual([
      expect.arrayContaining([true, false]),
      [undefined, undefined],
    ]);
  });
  own.faults.inject({ kind: 'drop', when: 'before' }, ALWAYS);
  await run('two', async (manager) => {
    await manager.runOnce({ signal });
    expect(failures(manager)).toEqual(expect.arrayContaining([undefined, 'authority']));
  });
  // A twentieth of 160 hours.
  advance(9 * HOUR_MS);
  await run('three', async (manager) => {
    await manager.runOnce({ signal });
    expect([hasOrder(manager), failures(manager)]).toEqual([
      [false, false],
      ['authority', 'authority'],
    ]);
  });
  own.faults.clear();
  advance(HOUR_MS);
  await run('four', async (manager) =>
    expect(kinds((await manager.runOnce({ signal })).outcomes)).toEqual(['renewed', 'renewed']),
  );
});

test('a claim whose order was never sent does not keep the second CA from being asked', async () => {
  const { own, second, advance, run } = await start({ hasFallback: true });
  await run('seed', (manager) => issueAll(manager, ['a.test']));
  advance(140 * HOUR_MS);
  const stop = new AbortController();
  const onProgress = ({ step }: Progress) => {
    if (step === 'claimed') stop.abort(new Error('stopped'));
  };
  await run('one', (manager) =>
    expect(manager.runOnce({ signal: stop.signal, onProgress })).rejects.toThrow('stopped'),
  );
  own.faults.inject({ kind: 'drop', when: 'before' }, ALWAYS);
  // The first run closes what was begun at the own CA, the second asks the other one.
  for (const holder of ['two', 'three']) {
    await run(holder, (manager) => manager.runOnce({ signal }));
    // Longer than the pause behind the urgent point, a twentieth of what is left.
    advance(2 * HOUR_MS);
  }
  expect([own.orderCount, second.orderCount]).toEqual([1, 1]);
});
