import { expect, test } from 'vitest';
import { createBudget } from './budget.ts';

const { signal } = new AbortController();
const RATES = { requests: { perSecond: 4, burst: 10 }, changes: { perSecond: 50, burst: 100 } };

/** A budget on a clock that goes as far as the waits are long. */
function setUp() {
  let time = 0;
  const slept: number[] = [];
  const budget = createBudget({
    ...RATES,
    now: () => new Date(time),
    sleep: async (ms) => {
      signal.throwIfAborted();
      slept.push(ms);
      time += ms;
    },
  });
  const spend = async (times: number, changes = 0) => {
    for (let nth = 0; nth < times; nth += 1) await budget.spend(changes, { signal });
  };
  return { budget, spend, slept, seconds: () => time / 1000 };
}

test('so many requests go at once, the others at the rate', async () => {
  const { spend, slept, seconds } = setUp();
  await spend(10);
  expect(slept).toEqual([]);
  await spend(8);
  expect(seconds()).toBeCloseTo(2);
});

test('changes have a rate of their own', async () => {
  const { spend, slept, seconds } = setUp();
  await spend(1, 100);
  expect(slept).toEqual([]);
  await spend(1, 100);
  expect(seconds()).toBeCloseTo(2);
});

test('throttling halves the pace, again and again, and success brings it back step by step', async () => {
  const { budget, spend, seconds } = setUp();
  budget.slowDown();
  await spend(4);
  expect(seconds()).toBeCloseTo(2);
  for (let nth = 0; nth < 8; nth += 1) budget.slowDown();
  const slowest = seconds();
  await spend(1);
  expect(seconds() - slowest).toBeCloseTo(4);
  for (let nth = 0; nth < 15; nth += 1) budget.recover();
  const whole = seconds();
  await spend(4);
  expect(seconds() - whole).toBeCloseTo(1);
});

test('who gives up gives its place back', async () => {
  const stop = new AbortController();
  const slept: number[] = [];
  const budget = createBudget({
    requests: { perSecond: 1, burst: 1 },
    changes: RATES.changes,
    now: () => new Date(0),
    sleep: async (ms, options) => {
      slept.push(ms);
      options.signal.throwIfAborted();
    },
  });
  await budget.spend(0, { signal });
  const waiting = budget.spend(0, { signal: stop.signal });
  await waiting;
  stop.abort(new Error('enough'));
  await expect(budget.spend(0, { signal: stop.signal })).rejects.toThrow('enough');
  await budget.spend(0, { signal });
  expect(slept).toEqual([1000, 2000]);
});
