/** Tests of plans: what they count, and that what they forecast is what then happens in virtual time. */
import { type CaLimits, LETS_ENCRYPT_LIMITS, type Rate } from '@certbus/acme';
import type { WrittenEvent } from '@certbus/events/history';
import { readEvent } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { BindingLimit } from '../../decide/binding-limit.ts';
import { bindingLimit } from '../../decide/limits.ts';
import { given } from '../../decide/state.builders.ts';
import { createSite, withManager } from '../../issuance/manager.builders.ts';
import { DIRECTORY, ISSUED_AT, obtained, say, withBus } from '../fleet.builders.ts';
import { createVirtualBucket } from './bucket.ts';
import { forecastNewNames } from './new-names.ts';
import { rehearseLoad } from './rehearsal.ts';

const START = ISSUED_AT.getTime();
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
const within = (capacity: number, ms: number): Rate => ({ capacity, refillMs: ms / capacity });

/** The claim and the certificate of new names, or of a renewal, without anything in between. */
function issuedAt(names: readonly string[], n: number, isRenewal = false): WrittenEvent[] {
  const ids = { certificateId: `certificate${n}`, issuanceId: `issuance${n}` };
  const subject = { names, challengeType: 'dns-01' as const, directory: DIRECTORY };
  const claim = {
    holder: 'h',
    until: new Date(START).toISOString(),
    csr: 'Y3Ny',
    sealedKey: 'c2Vh',
    recipientsPosition: 1,
  };
  const reason = isRenewal ? { reason: 'renewal' as const, replaces: 'aki.serial' } : { reason: 'new' as const };
  return [
    { type: 'IssuanceStarted', ...ids, ...subject, ...reason, ...claim },
    { ...obtained(ids.certificateId), ...ids, ...subject },
  ];
}

/** What is ordered when. */
interface Ordered {
  readonly names: readonly string[];
  readonly n: number;
  readonly at: Date;
  readonly isRenewal?: boolean;
}

/** Orders, if the limits leave room, as managers do; else returns the one that leaves none. */
function orderIfRoom(
  state: ReturnType<typeof given>,
  { names, n, at, isRenewal = false }: Ordered,
  { limits, position }: { readonly limits: CaLimits; readonly position: number },
): BindingLimit | undefined {
  const kind = isRenewal ? 'repeated' : 'new';
  const binding = bindingLimit(state, at, { names, directory: DIRECTORY, kind }, limits);
  if (!binding) state.apply(issuedAt(names, n, isRenewal).map(readEvent), { at, position });
  return binding;
}

/** Orders all names as managers do, one as soon as it has room, and nothing takes time. Returns when the last one went. */
function orderAll(state: ReturnType<typeof given>, all: readonly (readonly string[])[], limits: CaLimits): number {
  let left = all.map((names, n) => ({ names, n }));
  let now = START;
  let position = 1_000;
  while (left.length > 0) {
    const waiting: typeof left = [];
    let next = Number.POSITIVE_INFINITY;
    for (const each of left) {
      const order = { names: each.names, n: 100 + each.n, at: new Date(now) };
      const binding = orderIfRoom(state, order, { limits, position });
      position += 1;
      if (!binding) continue;
      waiting.push(each);
      next = Math.min(next, binding.until.getTime());
    }
    if (waiting.length > 0) now = next;
    left = waiting;
  }
  return now;
}

test('new names are done when the forecast says, whatever managers spent before, by renewals as well where they count', () => {
  const domain = fc.integer({ min: 0, max: 3 }).map((n) => `d${n}.test`);
  const names = fc.array(domain, { minLength: 1, maxLength: 14 });
  const spent = fc.array(fc.tuple(domain, fc.integer({ min: 0, max: 4 * DAY_MS }), fc.boolean()), { maxLength: 6 });
  const rates = { orders: within(4, 3 * HOUR_MS), domains: within(3, 7 * DAY_MS) };
  fc.assert(
    fc.property(names, spent, fc.constantFrom('exempt', 'counted'), (domains, before, renewals) => {
      const limits = { ...LETS_ENCRYPT_LIMITS, ...rates, renewals };
      const state = given();
      // Managers stay within the limits. Of a history beyond them the forecast takes the worst, and names can be done sooner.
      for (const [n, [at, ms, isRenewal]] of before.toSorted(([, one], [, other]) => other - one).entries()) {
        const order = { names: [`old${n}.${at}`], n, at: new Date(START - ms), isRenewal };
        orderIfRoom(state, order, { limits, position: n + 1 });
      }
      const all = domains.map((at, n) => [`n${n}.${at}`]);
      const context = { state, now: new Date(START), directory: DIRECTORY, limits, paces: [], orderMs: 0 };
      const { doneAt, certificates, waits } = forecastNewNames({ names: all }, context);
      const done = orderAll(state, all, limits);
      expect(certificates).toBe(all.length);
      expect(Math.abs(doneAt.getTime() - done)).toBeLessThan(MINUTE_MS);
      expect(Object.values(waits).reduce((sum, count) => sum + count, 0) > 0).toBe(done > START);
    }),
    { numRuns: 60 },
  );
});

describe('given a CA with the limits of Let’s Encrypt', () => {
  const limits = LETS_ENCRYPT_LIMITS;
  const context = (paces: ReturnType<typeof createVirtualBucket>[]) => ({
    state: given(),
    now: new Date(START),
    directory: DIRECTORY,
    limits,
    paces,
    orderMs: 7_000,
  });

  test('when 4,000 names are asked for, then the account’s orders take 41 hours, and are what binds', () => {
    const { doneAt, boundBy, waits } = forecastNewNames({ certificates: 4_000 }, context([]));
    const hours = (doneAt.getTime() - START) / HOUR_MS;
    expect(hours).toBeCloseTo(((4_000 - 285) * 36 * (20 / 19)) / 3_600, 0);
    expect({ boundBy, waits }).toEqual({ boundBy: 'orders', waits: { orders: 4_000 - 285 } });
  });

  test('when sixty names of one domain are asked for, then the domain binds', () => {
    const all = Array.from({ length: 60 }, (_, n) => [`n${n}.example.co.uk`]);
    const { boundBy, waits } = forecastNewNames({ names: all }, context([]));
    expect({ boundBy, waits }).toEqual({ boundBy: 'domains example.co.uk', waits: { 'domains example.co.uk': 12 } });
  });

  test('when a manager works on one order at a time, then that is what binds', () => {
    const pace = createVirtualBucket('pace', { capacity: 1, refillMs: 60_000 });
    const { doneAt, boundBy } = forecastNewNames({ certificates: 10 }, context([pace]));
    expect(boundBy).toBe('pace');
    expect(doneAt).toEqual(new Date(START + 9 * 60_000 + 7_000));
  });
});

test('a rehearsal ends when orders that are made one by one end', () => {
  const load = fc.record({
    replaced: fc.nat(200),
    due: fc.array(fc.nat(20), { minLength: 40, maxLength: 40 }),
    perOrderMs: fc.integer({ min: 1_000, max: 200_000 }),
  });
  fc.assert(
    fc.property(load, ({ replaced, due, perOrderMs }) => {
      const { replacedAfterMs, caughtUpAfterMs } = rehearseLoad({
        replaced,
        due,
        perOrderMs,
        burst: 1,
        stretchMs: HOUR_MS,
        orderMs: 0,
      });
      const [overdue = 0, ...later] = due;
      // One order after the other, each begun when the one before ends and it is due: what is replaced has gone before what comes later.
      let now = 0;
      for (let n = 1; n < overdue + replaced; n += 1) now += perOrderMs;
      expect(replacedAfterMs).toBe(now);
      const arrivals = later.flatMap((count, hour) => Array.from({ length: count }, () => hour * HOUR_MS));
      let [caughtUp, isLate] = [now, now > 0];
      for (const at of arrivals) {
        if (isLate && at >= now) [caughtUp, isLate] = [now, false];
        now = Math.max(now, at) + perOrderMs;
      }
      if (isLate && now <= later.length * HOUR_MS) [caughtUp, isLate] = [now, false];
      expect(caughtUpAfterMs).toBe(isLate ? undefined : caughtUp);
    }),
  );
});

test('a plan counts a bus’s renewals by the day, says what the CA allows, and rehearses a revocation of a part', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const config = {
    version: 1,
    authorities: {
      one: { directory: DIRECTORY, termsOfServiceAgreed: true, limits: { orders: { count: 10, within: '3h' } } },
      two: { directory: 'https://two.test/dir', termsOfServiceAgreed: true },
    },
    defaultAuthority: 'one',
    parallelOrders: 2,
  };
  const site = await createSite(`${folder.path}/bus.db`, config);
  // Obtained a minute apart in the order of their lifetimes; due after two thirds of them.
  const days = [30, 30, 45, 60, 60, 60];
  const events = days.map((lifetime, n) => ({
    ...obtained(`certificate${n}`),
    notAfter: new Date(START + lifetime * DAY_MS).toISOString(),
    ...(n < 2 ? { profile: 'short' } : {}),
    ...(n === 5 ? { directory: 'https://two.test/dir', names: ['a.shop.test', '*.b.shop.test'] } : {}),
  }));
  const now = new Date(START + 20 * DAY_MS + HOUR_MS);
  await withManager(site, { holder: 'one', now: () => now }, async (manager) => {
    await withBus(site, (bus) => say(bus, manager.checkpoint, events));
    await manager.refresh();
    const position = manager.checkpoint.position;
    const plan = await manager.plan({ newNames: { certificates: 3 }, revoke: {}, orderSeconds: 60 });
    expect(plan).toMatchObject({ at: now, position, certificates: 6, dueNow: 2 });
    const busy = plan.days.flatMap(({ renewals }, day) => (renewals > 0 ? [[day, renewals]] : []));
    expect(busy).toEqual([
      [0, 2],
      [9, 1],
      [19, 3],
    ]);
    expect(plan.authorities).toEqual([
      {
        name: 'one',
        directory: DIRECTORY,
        orders: { left: 5, capacity: 10 },
        renewalsPerHour: 3.16,
        boundBy: 'orders',
        longestDelaySeconds: 0,
        leftOver: 0,
      },
      expect.objectContaining({ name: 'two', boundBy: 'pace', renewalsPerHour: 120 }),
    ]);
    expect(plan.newNames).toMatchObject({ certificates: 3, boundBy: 'pace' });
    // Five of them are at a CA that takes five orders at once, and none is counted twice.
    expect(plan.revocation).toMatchObject({
      certificates: 6,
      replacedAt: new Date(now.getTime() + 60_000),
      longestDelaySeconds: 0,
    });
    const of = async (predicate: object) => (await manager.plan({ revoke: predicate })).revocation?.certificates;
    expect(await of({ domain: 'shop.test' })).toBe(1);
    expect(await of({ domain: 'hop.test' })).toBe(0);
    expect(await of({ profile: 'short' })).toBe(2);
    expect(await of({ authority: 'two', keyType: 'P-256' })).toBe(1);
    expect(await of({ keyType: 'RSA-2048' })).toBe(0);
    expect(await of({ issuedBefore: ISSUED_AT })).toBe(0);
    expect(await of({ issuedBefore: now, authority: 'one' })).toBe(5);
    await expect(manager.plan({ revoke: { authority: 'nobody' } })).rejects.toMatchObject({
      code: 'CERTBUS_MANAGER_CONFIG_INVALID',
    });
    // Nothing was said on the bus by it.
    await manager.refresh();
    expect(manager.checkpoint.position).toBe(position);
  });
});
