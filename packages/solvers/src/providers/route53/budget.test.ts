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

test('who gives up takes nothing, neither as the first nor behind others', async () => {
  let time = 0;
  const slept: number[] = [];
  const budget = createBudget({
    requests: { perSecond: 1, burst: 1 },
    changes: RATES.changes,
    now: () => new Date(time),
    sleep: async (ms, options) => {
      slept.push(ms);
      await new Promise((resolve) => setImmediate(resolve));
      options.signal.throwIfAborted();
      time += ms;
    },
  });
  const [one, two] = [new AbortController(), new AbortController()];
  await budget.spend(0, { signal });
  const outcomes = Promise.allSettled([
    budget.spend(0, { signal: one.signal }),
    budget.spend(0, { signal: two.signal }),
    budget.spend(0, { signal }),
  ]);
  one.abort(new Error('one'));
  two.abort(new Error('two'));
  expect(await outcomes).toMatchObject([
    { reason: { message: 'one' } },
    { reason: { message: 'two' } },
    { status: 'fulfilled' },
  ]);
  expect(slept).toEqual([1000, 1000]);
});

test('a process that was held up does not go off all at once', async () => {
  let time = 0;
  const went: number[] = [];
  const budget = createBudget({
    ...RATES,
    now: () => new Date(time),
    // The first wait takes a minute longer than it should.
    sleep: async (ms) => {
      time += ms + (time === 0 ? 60_000 : 0);
    },
  });
  await Promise.all(
    Array.from({ length: 30 }, async () => {
      await budget.spend(0, { signal });
      went.push(time);
    }),
  );
  const afterwards = went.filter((at) => at > 0);
  expect(afterwards.filter((at) => at <= 60_300)).toHaveLength(10);
  expect(time).toBeGreaterThanOrEqual(62_500);
});

test('a large batch that waits does not hold up requests without changes', async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const budget = createBudget({ ...RATES, now: () => new Date(0), sleep: () => promise });
  await budget.spend(100, { signal });
  const batch = budget.spend(100, { signal });
  await budget.spend(0, { signal });
  resolve();
  await batch;
});
