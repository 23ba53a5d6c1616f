import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTokenBucket } from './token-bucket.ts';

const at = (ms: number) => new Date(ms);

test('what is in the bucket goes at once, the rest in turn', () => {
  const bucket = createTokenBucket({ capacity: 3, refillMs: 100 });
  expect(Array.from({ length: 6 }, () => bucket.reserve(at(0)).waitMs)).toEqual([0, 0, 0, 100, 200, 300]);
});

test('it fills up again, and not beyond its rim', () => {
  const bucket = createTokenBucket({ capacity: 2, refillMs: 100 });
  for (let i = 0; i < 2; i += 1) bucket.reserve(at(0));
  expect(bucket.isFull(at(150))).toBe(false);
  expect(bucket.reserve(at(150)).waitMs).toBe(0);
  expect(bucket.isFull(at(10_000))).toBe(true);
  expect(Array.from({ length: 3 }, () => bucket.reserve(at(10_000)).waitMs)).toEqual([0, 0, 100]);
});

test('a place that was given back serves another, once', () => {
  const bucket = createTokenBucket({ capacity: 1, refillMs: 100 });
  const place = bucket.reserve(at(0));
  place.cancel();
  place.cancel();
  expect(bucket.reserve(at(0)).waitMs).toBe(0);
  expect(bucket.reserve(at(0)).waitMs).toBe(100);
});

test('a pause holds everybody back and fills nothing', () => {
  const bucket = createTokenBucket({ capacity: 2, refillMs: 100 });
  bucket.reserve(at(0));
  bucket.reserve(at(0));
  bucket.pause(at(1000), at(0));
  bucket.pause(at(500), at(0));
  expect(bucket.readyAt(at(0))).toEqual(at(1100));
  expect(bucket.reserve(at(900)).waitMs).toBe(200);
  expect(bucket.reserve(at(900)).waitMs).toBe(300);
});

test('a clock that goes back neither fills nor breaks it', () => {
  const bucket = createTokenBucket({ capacity: 1, refillMs: 100 });
  bucket.reserve(at(1000));
  expect(bucket.reserve(at(0)).waitMs).toBeLessThanOrEqual(1100);
});

test('whoever keeps to its waits never passes more than the limit, in any stretch of time, and in the order of asking', () => {
  const rate = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), refillMs: fc.integer({ min: 1, max: 1000 }) });
  fc.assert(
    fc.property(rate, fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }), ({ capacity, refillMs }, gaps) => {
      const bucket = createTokenBucket({ capacity, refillMs });
      let now = 0;
      const passed = gaps.map((gap) => {
        now += gap;
        return now + bucket.reserve(at(now)).waitMs;
      });
      expect(passed).toEqual(passed.toSorted((one, other) => one - other));
      for (let from = 0; from < passed.length; from += 7) {
        const start = passed[from] ?? 0;
        for (let to = from; to < passed.length; to += 1) {
          const allowed = capacity + ((passed[to] ?? 0) - start) / refillMs;
          expect(to - from + 1).toBeLessThanOrEqual(Math.floor(allowed + 1e-6) + 1e-9);
        }
      }
    }),
    { numRuns: 300 },
  );
});
