/** Compares the room that the ledger sees with the bucket of a CA that has seen everything, and nothing twice. */
import type { Rate } from '@certbus/acme';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { belowLimit, fullAt, KEPT_FOR_RENEWALS, roomAt, stretchOf } from './room.ts';

const START = Date.parse('2026-11-24T00:00:00Z');
const HOUR_MS = 3_600_000;
const WEEK_MS = 168 * HOUR_MS;
const within = (capacity: number, ms: number): Rate => ({ capacity, refillMs: ms / capacity });
const alone = (now: Date) => ({ now, held: 0, kept: 0 });

/** When the bucket of a CA has a token again that was spent at these instants, from its very beginning. */
function readyAt({ capacity, refillMs }: Rate, spent: readonly number[]): number {
  let full = Number.NEGATIVE_INFINITY;
  for (const at of spent) full = Math.max(full, at) + refillMs;
  return full + refillMs - capacity * refillMs;
}

const spendingOf = (rate: Rate, now: Date, all: readonly number[]) => {
  const { since, until } = stretchOf(rate, now);
  return { spent: all.filter((at) => at >= since.getTime() && at <= until.getTime()).map((at) => ({ at, count: 1 })) };
};
const roomOf = (rate: Rate, now: Date, all: readonly number[]) =>
  roomAt(rate, fullAt(rate, spendingOf(rate, now, all), now), alone(now));

test('one who goes whenever there is room never finds the bucket of the CA empty, and is seldom late', () => {
  const rate = fc.record({
    capacity: fc.integer({ min: 1, max: 60 }),
    ms: fc.constantFrom(HOUR_MS, 3 * HOUR_MS, WEEK_MS),
  });
  // Pauses in windows: none, short ones, and such as fill the bucket.
  const pauses = fc.array(fc.constantFrom(0, 0, 0, 0.01, 0.3, 1, 3), { minLength: 1, maxLength: 150 });
  fc.assert(
    fc.property(rate, pauses, ({ capacity, ms }, gaps) => {
      const published = within(capacity, ms);
      const used = belowLimit(published);
      const all: number[] = [];
      let now = START;
      for (const gap of gaps) {
        now += gap * ms;
        const asked = now;
        const room = roomOf(used, new Date(now), all).getTime();
        // Room is named once, and is there at that instant.
        now = Math.max(now, room);
        expect(roomOf(used, new Date(now), all).getTime()).toBeLessThanOrEqual(now);
        expect(readyAt(published, all)).toBeLessThanOrEqual(now + 1);
        // One who spends without a pause is told the very instant; one with pauses is a window late at most.
        const lateMs = gaps.every((each) => each === 0) ? 1 : ms * (20 / 19);
        expect(room).toBeLessThanOrEqual(Math.max(readyAt(used, all), asked) + lateMs);
        all.push(now);
      }
    }),
    // Two windows that do not end with a millisecond.
    { examples: [[{ capacity: 2, ms: 3 * HOUR_MS }, [0, 0.3, 1, 0.01, 0]]] },
  );
});

test('new names go as fast as the bucket refills, also long after what is remembered, and what they leave is there for renewals at once', () => {
  const rate = fc.record({ capacity: fc.integer({ min: 2, max: 40 }), ms: fc.constantFrom(HOUR_MS, WEEK_MS) });
  fc.assert(
    fc.property(rate, fc.integer({ min: 1, max: 5 }), ({ capacity, ms }, windows) => {
      const used = within(capacity, ms);
      const half = Math.floor(capacity / 2);
      const spent: { at: number; count: number; isNew: boolean }[] = [];
      let now = START;
      const go = (kept: number) => {
        const since = stretchOf(used, new Date(now)).since.getTime();
        const full = fullAt(used, { spent: spent.filter(({ at }) => at >= since) }, new Date(now));
        now = Math.max(now, roomAt(used, full, { now: new Date(now), held: 0, kept }).getTime());
        spent.push({ at: now, count: 1, isNew: kept > 0 });
      };
      const count = windows * capacity;
      for (let n = 0; n < count; n += 1) {
        go(KEPT_FOR_RENEWALS);
        expect(now).toBeLessThan(START + Math.max(0, n + 1 - capacity + half) * used.refillMs + 1_000);
      }
      const last = now;
      for (let n = 0; n < half; n += 1) go(0);
      expect(now).toBeLessThan(last + 1_000);
      // There is no more than that: the bucket of the CA is never below nothing.
      go(0);
      const all = spent.map(({ at }) => at);
      expect(readyAt(used, all.slice(0, -1))).toBeLessThanOrEqual(now + 1_000);
    }),
    { numRuns: 50 },
  );
});

test('what new names and renewals take side by side, each as soon as it may, the CA gives', () => {
  const rate = fc.record({ capacity: fc.integer({ min: 2, max: 30 }), ms: fc.constantFrom(HOUR_MS, WEEK_MS) });
  // Whether each is a renewal, how long nobody wanted anything before, and how long a new one is open, in windows.
  const orders = fc.array(
    fc.record({
      isRenewal: fc.boolean(),
      pause: fc.constantFrom(0, 0, 0, 0.02, 0.4, 3),
      open: fc.constantFrom(0, 0, 0.05, 0.1),
    }),
    { minLength: 10, maxLength: 120 },
  );
  fc.assert(
    fc.property(rate, orders, ({ capacity, ms }, wanted) => {
      const published = within(capacity, ms);
      const used = belowLimit(published);
      const spent: { at: number; count: number; isNew: boolean }[] = [];
      let held: { readonly until: number; readonly isNew: boolean }[] = [];
      let now = START;
      const settle = () => {
        for (const { until, isNew } of held.filter((each) => each.until <= now))
          spent.push({ at: until, count: 1, isNew });
        held = held.filter(({ until }) => until > now);
        spent.sort((one, other) => one.at - other.at);
      };
      for (const { isRenewal, pause, open } of wanted) {
        now += pause * ms;
        for (;;) {
          settle();
          const since = stretchOf(used, new Date(now)).since.getTime();
          const full = fullAt(used, { spent: spent.filter(({ at }) => at >= since) }, new Date(now));
          const kept = isRenewal ? 0 : KEPT_FOR_RENEWALS;
          const room = roomAt(used, full, { now: new Date(now), held: held.length, kept }).getTime();
          if (room <= now) break;
          now = Math.min(room, ...held.map(({ until }) => until));
        }
        held.push({ until: now + open * ms, isNew: !isRenewal });
        settle();
        // As the CA counts: when it issues.
        expect(readyAt(published, spent.map(({ at }) => at).slice(0, -1))).toBeLessThanOrEqual(now + 1);
      }
    }),
  );
});

describe('given a bucket of five in an hour', () => {
  const rate = within(5, HOUR_MS);
  const now = new Date(START);
  const spent = (count: number, at = START) => ({ spent: [{ at, count }] });

  test('when nothing was spent, then all five are there at once', () => {
    expect(roomAt(rate, fullAt(rate, { spent: [] }, now), alone(now)) <= now).toBe(true);
    expect(roomAt(rate, fullAt(rate, spent(4), now), alone(now)) <= now).toBe(true);
  });

  test('when five were spent now, then there is room in a fifth of the hour', () => {
    expect(roomAt(rate, fullAt(rate, spent(5), now), alone(now))).toEqual(new Date(START + HOUR_MS / 5));
  });

  test('when open orders hold some, then these count as well', () => {
    const full = fullAt(rate, spent(3), now);
    expect(roomAt(rate, full, { now, held: 1, kept: 0 }) <= now).toBe(true);
    expect(roomAt(rate, full, { now, held: 2, kept: 0 })).toEqual(new Date(START + HOUR_MS / 5));
    expect(roomAt(rate, fullAt(rate, { spent: [] }, now), { now, held: 5, kept: 0 }) > now).toBe(true);
  });

  test('when a part is kept for others, then there is room before it is touched only', () => {
    expect(roomAt(rate, fullAt(rate, spent(2), now), { now, held: 0, kept: 0.4 }) <= now).toBe(true);
    expect(roomAt(rate, fullAt(rate, spent(3), now), { now, held: 0, kept: 0.4 }) > now).toBe(true);
  });

  test('when a clock that was ahead wrote it, then it counts from now on', () => {
    const full = fullAt(rate, spent(5, START + HOUR_MS / 2), now);
    expect(roomAt(rate, full, alone(now))).toEqual(new Date(START + HOUR_MS / 5));
  });
});

test('small limits are used up to the last, large ones but for a twentieth', () => {
  expect([5, 19, 20, 50, 300].map((capacity) => belowLimit(within(capacity, HOUR_MS)).capacity)).toEqual([
    5, 19, 19, 48, 285,
  ]);
});
