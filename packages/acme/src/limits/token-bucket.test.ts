import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createTokenBucket } from './token-bucket.ts';

const at = (ms: number) => new Date(ms);

const take = (bucket: ReturnType<typeof createTokenBucket>, ms: number, times: number) =>
  Array.from({ length: times }, () => bucket.take(at(ms)));

test('what is in the bucket goes at once, and then it says when there is more', () => {
  const bucket = createTokenBucket({ capacity: 3, refillMs: 100 });
  expect(take(bucket, 0, 5)).toEqual([0, 0, 0, 100, 100]);
  expect(bucket.waitMs(at(0), 2)).toBe(300);
  expect(take(bucket, 40, 1)).toEqual([60]);
  expect(take(bucket, 100, 2)).toEqual([0, 100]);
});

test('it fills up again, and not beyond its rim', () => {
  const bucket = createTokenBucket({ capacity: 2, refillMs: 100 });
  take(bucket, 0, 2);
  expect(bucket.isFull(at(150))).toBe(false);
  expect(bucket.isFull(at(10_000))).toBe(true);
  expect(take(bucket, 10_000, 3)).toEqual([0, 0, 100]);
});

test('what has happened anyway is counted, also below nothing', () => {
  const bucket = createTokenBucket({ capacity: 1, refillMs: 100 });
  for (let i = 0; i < 3; i += 1) bucket.force(at(0));
  expect(bucket.waitMs(at(0))).toBe(300);
});

test('a pause holds everybody back and fills nothing', () => {
  const bucket = createTokenBucket({ capacity: 2, refillMs: 100 });
  take(bucket, 0, 2);
  bucket.pause(at(1000), at(0));
  bucket.pause(at(500), at(0));
  expect(take(bucket, 900, 1)).toEqual([200]);
  expect(take(bucket, 1100, 2)).toEqual([0, 100]);
});

test('a clock that goes back neither fills nor breaks it, however far', () => {
  const bucket = createTokenBucket({ capacity: 1, refillMs: 100 });
  take(bucket, 1_000_000, 1);
  expect(bucket.take(at(0))).toBe(100);
  expect(bucket.take(at(60))).toBe(40);
  expect(bucket.take(at(100))).toBe(0);
});

test('a pause is as long as it was where the clock goes back', () => {
  const bucket = createTokenBucket({ capacity: 1, refillMs: 100 });
  bucket.pause(at(1_005_000), at(1_000_000));
  expect(bucket.take(at(0))).toBe(5000);
  expect(bucket.take(at(5000))).toBe(0);
});

test('never more than the limit gets through, in any stretch of time', () => {
  const rate = fc.record({ capacity: fc.integer({ min: 1, max: 20 }), refillMs: fc.integer({ min: 1, max: 1000 }) });
  fc.assert(
    fc.property(rate, fc.array(fc.nat(300), { minLength: 1, maxLength: 200 }), ({ capacity, refillMs }, gaps) => {
      const bucket = createTokenBucket({ capacity, refillMs });
      const passed: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap;
        if (bucket.take(at(now)) === 0) passed.push(now);
      }
      passed.forEach((start, from) => {
        passed.slice(from).forEach((end, count) => {
          expect(count + 1).toBeLessThanOrEqual(capacity + (end - start) / refillMs + 1e-6);
        });
      });
    }),
    { numRuns: 200 },
  );
});
