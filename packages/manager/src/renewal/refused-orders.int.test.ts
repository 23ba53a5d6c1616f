/** Tests of renewals at a CA that takes fewer orders than the configuration says, or than it took before. */
import { type AcmeServer, type RateLimits, startAcmeServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import type { Manager } from '../index.ts';
import { createSite, withManager } from '../issuance/manager.builders.ts';
import { idle } from './mass-renewal.builders.ts';

const { signal } = new AbortController();
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const folder = temporaryFolder();
let at = Date.parse('2026-11-28T12:00:00Z');
const now = () => new Date(at);

afterAll(() => folder.remove());

const start = (limits: RateLimits) => startAcmeServer({ now, validation: { alwaysValid: true }, limits });
const authorityAt = ({ directory, roots }: AcmeServer) => ({ directory, roots, termsOfServiceAgreed: true });

async function withCas<T>(name: string, authorities: object, work: (manager: Manager) => Promise<T>): Promise<T> {
  const dns = [{ zones: ['*'], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }];
  const config = { version: 1, authorities, defaultAuthority: 'ca', dns };
  const site = await createSite(`${folder.path}/${name}.db`, config);
  return withManager(site, { holder: 'one', now, solvers: async () => idle }, work);
}

const refusals = ({ requests }: AcmeServer) => requests.filter(({ status }) => status === 429).length;

test('renewals of which a CA takes no more wait until it does, and are not tried one by one', async () => {
  // Of four orders, one comes back in half an hour.
  await using ca = await start({ newOrders: { capacity: 4, periodMs: 2 * HOUR_MS }, renewals: 'counted' });
  await withCas('counted', { ca: authorityAt(ca) }, async (manager) => {
    const count = 12;
    for (let n = 0; n < count; n += 1) {
      if (n > 0 && n % 4 === 0) at += 3 * HOUR_MS;
      await manager.issue({ names: [`n${n}.test`] }, { signal });
    }
    at += 62 * DAY_MS;
    const begun = at;
    const asked = refusals(ca);
    const first = await manager.runOnce({ signal });
    expect(first).toMatchObject({ due: count, renewed: 4 });
    const waiting = first.outcomes.filter(({ outcome }) => outcome === 'postponed');
    expect(waiting.length).toBeGreaterThan(2);
    for (const each of waiting) {
      expect(each).toMatchObject({ limit: { limit: 'orders', subject: ca.directory, directory: ca.directory } });
      expect(each).not.toHaveProperty('error');
    }
    let { renewed } = first;
    for (let { next } = first; renewed < count; ) {
      at = Math.max(at + 1, next.getTime());
      const run = await manager.runOnce({ signal });
      renewed += run.renewed;
      ({ next } = run);
    }
    // As fast as the CA takes them, and one refusal or two for each that it took.
    expect(at - begun).toBeLessThan((count - 4 + 2) * (HOUR_MS / 2));
    expect(refusals(ca) - asked).toBeLessThan(6 + 2 * (count - 4));
    expect([...manager.state.all()].map(({ failure }) => failure)).toEqual(Array(count).fill(undefined));
  });
});

test('what is urgent does not wait for a CA that takes no more, where there is a second one', async () => {
  await using ca = await start({ newOrders: { capacity: 3, periodMs: 3 * DAY_MS }, renewals: 'counted' });
  await using second = await start({});
  const authorities = { ca: { ...authorityAt(ca), fallback: 'second' }, second: authorityAt(second) };
  await withCas('urgent', authorities, async (manager) => {
    const issue = async (name: string) => (await manager.issue({ names: [name] }, { signal })).certificateId;
    const urgent = [await issue('urgent1.test'), await issue('urgent2.test')];
    at += 20 * DAY_MS;
    const later = [await issue('later1.test'), await issue('later2.test'), await issue('later3.test')];
    // Its account has nothing left, and a sixth of the first lifetimes.
    at += 57 * DAY_MS;
    for (const n of [1, 2, 3]) await issue(`used${n}.test`);
    const { outcomes } = await manager.runOnce({ signal, at: new Date(at + 8 * DAY_MS) });
    const of = (ids: readonly string[]) =>
      ids.map((id) => outcomes.find(({ certificateId }) => certificateId === id)?.outcome);
    expect(of(urgent).toSorted()).toEqual(['failed', 'renewed']);
    expect(of(later)).toEqual(['postponed', 'postponed', 'postponed']);
    expect(second.certificates()).toHaveLength(1);
    expect(refusals(ca)).toBe(1);
  });
});
