import { expect, test } from 'vitest';
import { together } from './together.ts';

const tick = () => new Promise<void>((resolve) => setImmediate(resolve));

test('each item has its turn in order, so many at one time and no more', async () => {
  const begun: number[] = [];
  let [running, most] = [0, 0];
  async function* numbers() {
    for (let n = 0; n < 20; n += 1) yield n;
  }
  for (const items of [numbers(), Array.from({ length: 20 }, (_, n) => n)]) {
    begun.length = 0;
    await together(items, 3, async (n) => {
      begun.push(n);
      running += 1;
      most = Math.max(most, running);
      for (let rest = n % 4; rest >= 0; rest -= 1) await tick();
      running -= 1;
    });
    expect(begun).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect({ most, running }).toEqual({ most: 3, running: 0 });
  }
});

test('after a failure none is begun, and it rejects once nothing is under way', async () => {
  const ended: number[] = [];
  let isClosed = false;
  async function* numbers() {
    try {
      for (let n = 0; n < 20; n += 1) yield n;
    } finally {
      isClosed = true;
    }
  }
  const failing = together(numbers(), 3, async (n) => {
    if (n === 1) {
      await tick();
      throw new Error('no room');
    }
    for (let rest = 5; rest > 0; rest -= 1) await tick();
    ended.push(n);
  });
  await expect(failing).rejects.toThrow('no room');
  expect({ ended, isClosed }).toEqual({ ended: [0, 2], isClosed: true });
});

test('an item that comes once another has failed is not begun', async () => {
  const begun: number[] = [];
  const gate = Promise.withResolvers<void>();
  async function* numbers() {
    yield 0;
    await gate.promise;
    for (let n = 1; n < 20; n += 1) yield n;
  }
  const failing = together(numbers(), 3, async (n) => {
    begun.push(n);
    throw new Error('no room');
  });
  await tick();
  gate.resolve();
  await expect(failing).rejects.toThrow('no room');
  expect(begun).toEqual([0]);
});
