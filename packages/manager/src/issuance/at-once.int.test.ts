/** Tests of one manager that is asked for the same several times at once, as by the requests of a server that has one. */
import type { Solver } from '@certbus/acme';
import { type AcmeServer, startAcmeServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, onTestFinished, test } from 'vitest';
import type { Manager } from '../index.ts';
import { createSite, withManager } from './manager.builders.ts';

const { signal } = new AbortController();
const DAY_MS = 86_400_000;
const folder = temporaryFolder();
let sites = 0;
let ca: AcmeServer;

beforeEach(async () => {
  const server = await startAcmeServer({ validation: { alwaysValid: true } });
  ca = server;
  onTestFinished(() => server[Symbol.asyncDispose]());
});
afterAll(() => folder.remove());

/** Runs with a manager whose challenges are presented once `present` resolves. */
async function manage<T>(
  work: (manager: Manager) => Promise<T>,
  present: () => Promise<void> = async () => {},
): Promise<T> {
  const solver: Solver = { challenges: ['dns-01'], present, async ready() {}, async cleanUp() {} };
  sites += 1;
  const site = await createSite(`${folder.path}/bus${sites}.db`, {
    version: 1,
    authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  return withManager(site, { holder: 'one', now: () => ca.clock.now(), solvers: async () => solver }, work);
}

test('the same names, however they are written, are ordered once, and each who asked has the certificate', async () => {
  const asked = [
    ['a.test', 'b.test'],
    ['B.test.', 'a.test'],
    ['b.test', 'a.test'],
  ];
  await manage(async (manager) => {
    const results = await Promise.all(asked.map((names) => manager.issue({ names }, { signal })));
    expect(results.map(({ outcome }) => outcome).toSorted()).toEqual(['already-managed', 'already-managed', 'issued']);
    expect(new Set(results.map(({ serialNumber }) => serialNumber)).size).toBe(1);
  });
  expect([ca.orderCount, ca.certificates().length]).toEqual([1, 1]);
});

test('keys of two types for the same names are one certificate each', async () => {
  await manage(async (manager) => {
    const keyTypes = ['P-256', 'RSA-2048', 'P-256', 'RSA-2048'];
    await Promise.all(keyTypes.map((keyType) => manager.issue({ names: ['a.test'], keyType }, { signal })));
    expect([...manager.state.all()]).toHaveLength(2);
  });
  expect([ca.orderCount, ca.certificates().length]).toEqual([2, 2]);
});

test('runs that overlap renew each certificate once', async () => {
  await manage(async (manager) => {
    for (const name of ['a.test', 'b.test', 'c.test']) await manager.issue({ names: [name] }, { signal });
    ca.clock.advance(62 * DAY_MS);
    const runs = await Promise.all([manager.runOnce({ signal }), manager.runOnce({ signal })]);
    expect(runs.reduce((sum, { renewed }) => sum + renewed, 0)).toBe(3);
    expect(runs.flatMap(({ outcomes }) => outcomes.filter(({ outcome }) => outcome === 'failed'))).toEqual([]);
  });
  expect([ca.orderCount, ca.certificates().length]).toEqual([6, 6]);
});

test('an order that fails is one for all who asked for it meanwhile', async () => {
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const present = () => {
    begun.resolve();
    return goOn.promise;
  };
  await manage(async (manager) => {
    const asked = Array.from({ length: 5 }, () => manager.issue({ names: ['a.test'] }, { signal }));
    await begun.promise;
    goOn.reject(new Error('the zone is locked'));
    const ended = await Promise.allSettled(asked);
    expect(new Set(ended.map((each) => each.status === 'rejected' && String(each.reason))).size).toBe(1);
    expect(ended[4]).toMatchObject({ reason: { message: expect.stringContaining('the zone is locked') } });
  }, present);
  expect(ca.orderCount).toBe(1);
});

test('one who waits for the same names can give up, and the order goes on', async () => {
  const [begun, goOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const present = () => {
    begun.resolve();
    return goOn.promise;
  };
  await manage(async (manager) => {
    const first = manager.issue({ names: ['a.test'] }, { signal });
    await begun.promise;
    const stop = new AbortController();
    const second = manager.issue({ names: ['a.test'] }, { signal: stop.signal });
    const third = manager.issue({ names: ['a.test'] }, { signal });
    stop.abort(new Error('gave up'));
    await expect(second).rejects.toThrow('gave up');
    goOn.resolve();
    expect([(await first).outcome, (await third).outcome]).toEqual(['issued', 'already-managed']);
  }, present);
  expect(ca.orderCount).toBe(1);
});
