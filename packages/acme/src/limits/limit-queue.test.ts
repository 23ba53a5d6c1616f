import { expect, test } from 'vitest';
import type { Deadline } from './deadline.ts';
import { createLimitQueue } from './limit-queue.ts';

/** Deadlines on one clock, whose sleepers wake in the order of time, and late where they are told to. */
function createWorld() {
  let clock = 0;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const now = () => new Date(clock);

  function createDeadline(signal = new AbortController().signal, ends = Number.POSITIVE_INFINITY): Deadline {
    const check: Deadline['check'] = (ms, reason) => {
      if (clock + ms > ends) throw new Error(`too late: ${reason?.kind === 'limit' ? reason.what : ''}`);
    };
    return {
      signal,
      check,
      sleep: (ms, reason) =>
        new Promise((resolve, reject) => {
          signal.throwIfAborted();
          check(ms, reason);
          signal.addEventListener('abort', () => reject(signal.reason));
          sleepers.push({ at: clock + ms, wake: resolve });
        }),
    };
  }

  async function runPending(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass, all at once where `isLate`. */
  async function advance(ms: number, { isLate = false } = {}): Promise<void> {
    const end = clock + ms;
    await runPending();
    while (sleepers.some(({ at }) => at <= end)) {
      sleepers.sort((one, other) => one.at - other.at);
      const next = sleepers.shift();
      clock = isLate ? end : (next?.at ?? end);
      next?.wake();
      await runPending();
    }
    clock = end;
  }

  return { now, createDeadline, advance };
}

test('those who come first go first, one at a time', async () => {
  const { now, createDeadline, advance } = createWorld();
  const queue = createLimitQueue('things', { capacity: 2, refillMs: 100 }, now);
  const passed: [number, number][] = [];
  const all = Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      await queue.pass(createDeadline());
      passed.push([index, now().getTime()]);
    }),
  );
  await advance(1000);
  await all;
  expect(passed).toEqual([
    [0, 0],
    [1, 0],
    [2, 100],
    [3, 200],
    [4, 300],
    [5, 400],
  ]);
});

test('timers that are late do not let a crowd through', async () => {
  const { now, createDeadline, advance } = createWorld();
  const queue = createLimitQueue('things', { capacity: 1, refillMs: 100 }, now);
  const passed: number[] = [];
  const all = Promise.all(
    Array.from({ length: 5 }, async () => {
      await queue.pass(createDeadline());
      passed.push(now().getTime());
    }),
  );
  await advance(450, { isLate: true });
  expect(passed).toEqual([0, 450]);
  await advance(1000);
  await all;
  expect(passed).toEqual([0, 450, 550, 650, 750]);
});

test('one who gives up makes room for those behind', async () => {
  const { now, createDeadline, advance } = createWorld();
  const queue = createLimitQueue('things', { capacity: 1, refillMs: 100 }, now);
  await queue.pass(createDeadline());
  const stops = [new AbortController(), new AbortController()];
  const gaveUp = stops.map(({ signal }) => expect(queue.pass(createDeadline(signal))).rejects.toThrow('enough'));
  const behind = queue.pass(createDeadline());
  for (const stop of stops) stop.abort(new Error('enough'));
  await Promise.all(gaveUp);
  await advance(100);
  expect(await behind).toBe(100);
});

test('a turn after the deadline is refused at once, with those ahead counted, and takes no place', async () => {
  const { now, createDeadline, advance } = createWorld();
  const queue = createLimitQueue('things', { capacity: 1, refillMs: 100 }, now);
  await queue.pass(createDeadline());
  const ahead = [queue.pass(createDeadline()), queue.pass(createDeadline())];
  await expect(queue.pass(createDeadline(undefined, 250))).rejects.toThrow(
    "too late: The CA's limits (things) leave room",
  );
  const next = queue.pass(createDeadline(undefined, 300));
  await advance(300);
  expect(await Promise.all([...ahead, next])).toEqual([100, 200, 300]);
});

test('a session that was aborted before does not pass', async () => {
  const { now, createDeadline } = createWorld();
  const queue = createLimitQueue('things', { capacity: 1, refillMs: 100 }, now);
  await expect(queue.pass(createDeadline(AbortSignal.abort(new Error('over'))))).rejects.toThrow('over');
  expect(await queue.pass(createDeadline())).toBe(0);
});
