import { expect, test } from 'vitest';
import { createRateLimit } from './rate-limit.ts';

test('ten go through at once and ten in each minute from then on, with the number of those that did not', () => {
  let now = 0;
  const limit = createRateLimit({ most: 10, everyMs: 60_000, elapsed: () => now });
  const taken = (times: number) =>
    Array.from({ length: times }, () => limit.take()).filter((each) => each !== undefined);
  expect(taken(25)).toEqual(Array.from({ length: 10 }, () => 0));
  now += 12_000;
  expect(taken(5)).toEqual([15, 0]);
  now += 3_600_000;
  expect(taken(1_000)).toEqual([3, ...Array.from({ length: 9 }, () => 0)]);
});
