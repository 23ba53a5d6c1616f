/** Tests that people are told of limits of a CA that are nearly used up, and of a claim that is not given back, and when each is over. */
import { type AcmeServer, letsEncryptLimits, type RateLimits, startAcmeServer } from '@certbus/acme-server';
import { BEGINNING } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import type { ConfiguredLimits } from '../../configuration/limits.ts';
import type { Manager } from '../../index.ts';
import { createSite, type ProcessOptions, withManager } from '../../issuance/manager.builders.ts';
import { withBus } from '../../renewal/fleet.builders.ts';
import { idle } from '../../renewal/mass-renewal.builders.ts';
import { startHook } from './place.builders.ts';

const { signal } = new AbortController();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const folder = temporaryFolder();
let at = Date.parse('2026-11-28T12:00:00Z');
let sites = 0;

afterAll(() => folder.remove());

const refusals = ({ requests }: AcmeServer) => requests.filter(({ problem }) => problem === 'rateLimited');

/** A CA, a bus whose managers tell a webhook, and managers that are each another process; all on one clock. */
async function start({
  configured,
  taken = {},
}: {
  readonly configured?: ConfiguredLimits;
  /** What the CA itself takes; default everything. */
  readonly taken?: RateLimits;
}) {
  const ca = await startAcmeServer({
    now: () => new Date(at),
    validation: { alwaysValid: true },
    limits: taken,
  });
  onTestFinished(() => ca[Symbol.asyncDispose]());
  const hook = await startHook();
  sites += 1;
  const site = await createSite(`${folder.path}/bus${sites}.db`, {
    version: 1,
    authorities: {
      ca: {
        directory: ca.directory,
        roots: ca.roots,
        termsOfServiceAgreed: true,
        ...(configured && { limits: configured }),
      },
    },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    alerts: { ops: { webhook: hook.url } },
  });
  const run = <T>(holder: string, work: (manager: Manager) => Promise<T>, options: Partial<ProcessOptions> = {}) =>
    withManager(site, { holder, now: () => new Date(at), solvers: async () => idle, ...options }, work);
  /** Shows that somebody was there at this instant. */
  const beat = () =>
    withBus(site, async (bus) => {
      const { checkpoint } = await bus.read(BEGINNING, { limit: 10_000, consistent: true });
      await bus.append(checkpoint, [{ type: 'Heartbeat' }], { at: new Date(at) });
    });
  await beat();
  return {
    ca,
    hook,
    beat,
    issue: (name: string, { profile, ...options }: Partial<ProcessOptions> & { readonly profile?: string } = {}) =>
      run(
        `seed of ${name}`,
        (manager) => manager.issue({ names: [name], ...(profile ? { profile } : {}) }, { signal }),
        options,
      ),
    runOnce: (holder: string, options?: Partial<ProcessOptions>) =>
      run(holder, (manager) => manager.runOnce({ signal }), options),
    /** What the webhook was told of a kind. */
    told: (kind: string) => hook.said().filter((line) => line.split(' ')[1] === kind),
  };
}

test('new orders that are nearly used up are told of once, and that there are more again', async () => {
  const { ca, hook, issue, runOnce, told } = await start({
    configured: { orders: { count: 10, within: '3h' }, renewals: 'exempt' },
    taken: { newOrders: { capacity: 10, periodMs: 3 * HOUR_MS } },
  });
  for (let n = 0; n < 8; n += 1) await issue(`n${n}.test`);
  at += MINUTE_MS;
  await runOnce('before');
  expect(told('quota')).toEqual([]);
  await issue('n8.test');
  await runOnce('first');
  await runOnce('second');
  const subject = `orders ${ca.directory} ${ca.directory}`;
  expect(told('quota')).toEqual([`raised quota ${subject}`]);
  expect(hook.requests.flat().at(-1)?.detail).toBe(
    `1 of 10 new orders of the account are left at ${ca.directory}; what has no room waits`,
  );
  // A third one is left once two are refilled, of which each takes 19 minutes.
  at += 35 * MINUTE_MS;
  await runOnce('too early');
  expect(told('quota')).toHaveLength(1);
  at += 5 * MINUTE_MS;
  await runOnce('later');
  expect(told('quota')).toEqual([`raised quota ${subject}`, `cleared quota ${subject}`]);
  expect(refusals(ca)).toEqual([]);
});

test('a domain of which the CA issues no more is told of once something waits for it, until there is room', async () => {
  const { ca, issue, runOnce, told } = await start({
    configured: { domains: { count: 2, within: '7d' }, renewals: 'exempt' },
    taken: { certificatesPerDomain: { capacity: 2, periodMs: 7 * DAY_MS } },
  });
  const present: typeof idle.present = () => Promise.reject(new Error('the DNS provider answers 500'));
  await expect(issue('c.shop.test', { solvers: async () => ({ ...idle, present }) })).rejects.toThrow();
  for (const name of ['a.shop.test', 'b.shop.test']) await issue(name);
  at += 2 * MINUTE_MS;
  const { outcomes } = await runOnce('meets it');
  expect(outcomes).toMatchObject([{ outcome: 'postponed', limit: { limit: 'domains', subject: 'shop.test' } }]);
  await runOnce('another');
  const subject = `domains ${ca.directory} shop.test`;
  expect(told('quota')).toEqual([`raised quota ${subject}`]);
  // What waited takes the place that there is after four days.
  at += 4 * DAY_MS;
  expect(await runOnce('has room')).toMatchObject({ renewed: 1 });
  expect(told('quota')).toHaveLength(1);
  at += 4 * DAY_MS;
  await runOnce('later');
  expect(told('quota')).toEqual([`raised quota ${subject}`, `cleared quota ${subject}`]);
  expect(refusals(ca)).toEqual([]);
});

test('names that the CA has issued as often as it does are told of, however small the limit is', async () => {
  const { ca, hook, issue, runOnce, told } = await start({
    configured: { nameSets: { count: 1, within: '7d' }, renewals: 'exempt' },
  });
  await issue('set.test', { profile: 'shortlived' });
  await runOnce('before');
  // Behind the window that the CA named, from which on it counts a renewal like any certificate.
  at += 85 * HOUR_MS;
  expect(await runOnce('meets it')).toMatchObject({
    outcomes: [{ outcome: 'postponed', limit: { limit: 'name-sets', subject: 'set.test' } }],
  });
  expect(told('quota')).toEqual([`raised quota name-sets ${ca.directory} set.test`]);
  expect(hook.requests.flat().find(({ alert }) => alert === 'quota')?.detail).toMatch(
    /^0 of 1 certificates of exactly/,
  );
});

test('a limit that the CA itself says is reached is told of, until the CA takes orders again', async () => {
  const { ca, issue, runOnce, told } = await start({
    taken: { ...letsEncryptLimits, newOrders: { capacity: 1, periodMs: 3 * HOUR_MS } },
  });
  await issue('first.test');
  await expect(issue('second.test')).rejects.toThrow();
  expect(refusals(ca)).toHaveLength(1);
  at += MINUTE_MS;
  await runOnce('looks');
  expect(told('quota')).toEqual([`raised quota ${ca.directory}`]);
  at += 4 * HOUR_MS;
  expect(await runOnce('later')).toMatchObject({ renewed: 1 });
  expect(told('quota')).toEqual([`raised quota ${ca.directory}`, `cleared quota ${ca.directory}`]);
});

test('a claim that a manager keeps for six hours is told of with its name, and that it is over', async () => {
  const { hook, issue, runOnce, beat, told } = await start({});
  const { certificateId } = await issue('kept.test');
  at += 70 * DAY_MS;
  await beat();
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const present: typeof idle.present = () => {
    begun.resolve();
    return ended.promise;
  };
  const stuck = runOnce('stands still', { claimMs: 7 * HOUR_MS, solvers: async () => ({ ...idle, present }) });
  await begun.promise;
  at += 6 * HOUR_MS - MINUTE_MS;
  expect(await runOnce('early')).toMatchObject({ renewed: 0, failed: 0 });
  expect(hook.said()).toEqual([]);
  at += 2 * MINUTE_MS;
  await runOnce('looks');
  await runOnce('looks as well');
  expect(hook.said()).toEqual([`raised claim-stuck ${certificateId}`]);
  expect(hook.requests[0]?.[0]?.detail).toMatch(/^stands still has held the claim on kept\.test since /);
  // It gives the claim back, whatever became of its order.
  ended.resolve();
  expect((await stuck).outcomes).toHaveLength(1);
  at += HOUR_MS;
  await runOnce('later');
  expect(told('claim-stuck')).toEqual([`raised claim-stuck ${certificateId}`, `cleared claim-stuck ${certificateId}`]);
});
