/** Tests that what a plan says is what a manager then does at a CA, in virtual time. */
import { startAcmeServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, expect, test } from 'vitest';
import type { Manager } from '../../index.ts';
import { createSite, withManager } from '../../issuance/manager.builders.ts';
import { idle } from '../mass-renewal.builders.ts';

const { signal } = new AbortController();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const folder = temporaryFolder();
let at = Date.parse('2026-11-28T12:00:00Z');

afterAll(() => folder.remove());

/** Runs with a manager at a CA that believes everything, all on one clock, which stands but where the test moves it. */
async function withCa(
  name: string,
  work: (manager: Manager, configure: (authority: object) => Promise<void>) => Promise<void>,
): Promise<void> {
  const now = () => new Date(at);
  await using ca = await startAcmeServer({ now, validation: { alwaysValid: true } });
  const configured = (more: object) => ({
    version: 1,
    authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true, ...more } },
    defaultAuthority: 'ca',
    dns: [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
  });
  const site = await createSite(`${folder.path}/${name}.db`, configured({}));
  await withManager(site, { holder: 'one', now, solvers: async () => idle }, (manager) =>
    work(manager, async (more) => void (await manager.configure(configured(more)))),
  );
}

/** Runs whenever there is something to do, up to an instant, as a daemon does; resolves with when each certificate was renewed first. */
async function runUntil(manager: Manager, isOver: (renewedAt: ReadonlyMap<string, number>) => boolean) {
  const renewedAt = new Map<string, number>();
  while (!isOver(renewedAt)) {
    const { outcomes, failed, next } = await manager.runOnce({ signal });
    expect(failed).toBe(0);
    for (const { certificateId, outcome } of outcomes)
      if (outcome === 'renewed' && !renewedAt.has(certificateId)) renewedAt.set(certificateId, at);
    at = Math.max(at + 1, next.getTime());
  }
  return renewedAt;
}

test('each renewal comes on the day for which a plan has it', {
  tags: 'full',
  // Two months of a daemon, whose runs come every six hours.
  timeout: 1_200_000,
}, async () => {
  const count = sized({ small: 8, full: 24 });
  const days = sized({ small: 26, full: 60 });
  await withCa('days', async (manager) => {
    const step = (20 * DAY_MS) / count;
    for (let n = 0; n < count; n += 1) {
      await manager.issue({ names: [`n${n}.test`], profile: n % 2 === 0 ? 'tlsserver' : 'classic' }, { signal });
      at += step;
    }
    // The CA says of each when it wants it renewed, and of none that it is now.
    const asked = at + 8 * HOUR_MS;
    expect((await runUntil(manager, () => at >= asked)).size).toBe(0);
    // A plan counts by the hours of the clock.
    at = Math.ceil(at / HOUR_MS) * HOUR_MS;
    const planned = await manager.plan({ days });
    expect(planned).toMatchObject({ certificates: count, at: new Date(at) });
    const expected = planned.days.map(({ renewals }) => renewals);
    expect(expected.filter((renewals) => renewals > 0).length).toBeGreaterThan(count / 4);
    const end = at + days * DAY_MS;
    const renewedAt = await runUntil(manager, () => at >= end);
    const happened = Array.from({ length: days }, () => 0);
    for (const instant of renewedAt.values()) {
      const day = Math.floor((instant - planned.at.getTime()) / DAY_MS);
      happened[day] = (happened[day] ?? 0) + 1;
    }
    expect(happened).toEqual(expected);
  });
});

test.each([
  ['fewer than', 1, 0],
  ['one more than', 7, HOUR_MS / 4],
  ['many more than', 14, 3 * HOUR_MS],
])(
  'a revocation of %s go at once takes as long as it was rehearsed, where the CA counts renewals',
  async (_, count, afterMs) => {
    await withCa(`revocation-${count}`, async (manager, configure) => {
      for (let n = 0; n < count; n += 1) await manager.issue({ names: [`n${n}.test`] }, { signal });
      await configure({ limits: { orders: { count: 6, within: '3h' }, renewals: 'counted' } });
      // Until the account has all its orders again.
      at += 24 * HOUR_MS;
      await manager.refresh({ signal });
      const { revocation, authorities, position } = await manager.plan({ revoke: {}, orderSeconds: 1 });
      expect(manager.checkpoint.position).toBe(position);
      expect(revocation?.certificates).toBe(count);
      expect(authorities).toMatchObject([{ boundBy: 'orders', renewalsPerHour: 1.9 }]);
      const begun = at;
      await manager.startCampaign({ predicate: {} }, { signal });
      const replaced = await runUntil(manager, ({ size }) => size === count);
      const done = Math.max(...replaced.values());
      expect(done - begun).toBeGreaterThanOrEqual(afterMs);
      expect(Math.abs(done - (revocation?.replacedAt.getTime() ?? 0))).toBeLessThan(5 * MINUTE_MS);
    });
  },
);

test('renewals that a CA has no room for when they come due are planned for the days on which they go', async () => {
  const [count, days] = [7, 12];
  await withCa('bound', async (manager, configure) => {
    for (let n = 0; n < count; n += 1) await manager.issue({ names: [`n${n}.test`], profile: 'tlsserver' }, { signal });
    // Two at once, and one more each half a day or so.
    await configure({ limits: { orders: { count: 2, within: '1d' }, renewals: 'counted' } });
    at += 32 * DAY_MS;
    at = Math.ceil(at / HOUR_MS) * HOUR_MS;
    await manager.refresh({ signal });
    const planned = await manager.plan({ days });
    expect(planned).toMatchObject({ certificates: count, dueNow: count });
    expect(planned.authorities).toMatchObject([{ boundBy: 'orders', renewalsPerHour: 0.07, leftOver: 0 }]);
    const [{ longestDelaySeconds } = { longestDelaySeconds: 0 }] = planned.authorities;
    // Two at once, and one half a day later.
    expect((await manager.plan({ days: 1 })).authorities).toMatchObject([{ leftOver: count - 3 }]);
    const renewedAt = await runUntil(manager, ({ size }) => size === count);
    const last = Math.max(...renewedAt.values()) - planned.at.getTime();
    expect(Math.abs(last - longestDelaySeconds * 1_000)).toBeLessThan(2 * HOUR_MS);
    const soFar = (instants: readonly number[], day: number) => instants.filter((each) => each < day).length;
    const went = [...renewedAt.values()].map((instant) => (instant - planned.at.getTime()) / DAY_MS);
    let expected = 0;
    for (const [day, { renewals }] of planned.days.entries()) {
      expected += renewals;
      expect(Math.abs(soFar(went, day + 1) - expected)).toBeLessThanOrEqual(1);
    }
    expect(expected).toBe(count);
  });
});
