/** Tests of when renewals go that come due together. */
import { expect, test } from 'vitest';
import { HOUR_MS } from './hours.ts';
import { renewByHour } from './room-by-hour.ts';

test('what has room goes in its hour', () => {
  const speed = { perOrderMs: HOUR_MS / 100, burst: 20, capacity: 20 };
  expect(renewByHour([30, 0, 100, 7], speed)).toEqual({ byHour: [30, 0, 100, 7], leftOver: 0, longestDelayMs: 0 });
});

test('what has none waits, and is left over where the hours end before', () => {
  const speed = { perOrderMs: HOUR_MS / 2, burst: 3, capacity: 3 };
  const planned = renewByHour([10, 0, 0, 1], speed);
  expect(planned).toEqual({ byHour: [5, 2, 2, 2], leftOver: 0, longestDelayMs: 2.5 * HOUR_MS });
  expect(renewByHour([10, 0], speed)).toMatchObject({ byHour: [5, 2], leftOver: 3 });
});

test('a CA that takes less than one in an hour takes one after some of them', () => {
  const speed = { perOrderMs: 2.5 * HOUR_MS, burst: 0, capacity: 2 };
  expect(renewByHour([3, 0, 0, 0, 0, 0, 0, 0], speed).byHour).toEqual([0, 0, 1, 0, 1, 0, 0, 1]);
});
