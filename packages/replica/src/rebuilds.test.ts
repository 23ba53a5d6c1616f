import { expect, test } from 'vitest';
import { createRebuilds } from './rebuilds.ts';

test('a build that fails is tried again after longer and longer pauses, an hour at most, until one succeeds', () => {
  let at = 0;
  const rebuilds = createRebuilds({ intervalMs: 10_000, now: () => at, random: () => 0.5 });
  const waits: number[] = [];
  for (let n = 0; n < 12; n += 1) {
    expect(rebuilds.isDue()).toBe(true);
    rebuilds.begin();
    expect(rebuilds.isDue()).toBe(false);
    const wait = rebuilds.takeWaitMs();
    // An outage of the bus in between is waited for as any other.
    expect(rebuilds.takeWaitMs()).toBe(0);
    waits.push(wait);
    at += wait;
  }
  expect(waits.slice(0, 3)).toEqual([20_000, 40_000, 80_000]);
  expect(waits.at(-1)).toBe(3_600_000);
  rebuilds.begin();
  rebuilds.done();
  expect([rebuilds.isDue(), rebuilds.takeWaitMs()]).toEqual([true, 0]);
});
