import { expect, test } from 'vitest';
import type { Job } from './job.ts';
import { createLane } from './lane.ts';

/** Jobs on one clock, whose sleepers wake in the order of time, and late where they are told to. */
function createWorld() {
  let clock = 0;
  const sleepers: { readonly at: number; readonly wake: () => void }[] = [];
  const now = () => new Date(clock);

  function createJob(signal = new AbortController().signal, deadline = Number.POSITIVE_INFINITY): Job {
    const check = (ms: number, why = '') => {
      if (clock + ms > deadline) throw new Error(`too late: ${why}`);
    };
    return {
      signal,
      check,
      sleep: (ms, why) =>
        new Promise((resolve, reject) => {
          signal.throwIfAborted();
          check(ms, why);
          signal.addEventListener('abort', () => reject(signal.reason));
          sleepers.push({ at: clock + ms, wake: resolve });
        }),
    };
  }

  async function settle(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** Lets time pass, all at once where `isLate`. */
  async function advance(ms: number, isLate = false): Promise<void> {
    const end = clock + ms;
    await settle();
    while (sleepers.some(({ at }) => at <= end)) {
      sleepers.sort((one, other) => one.at - other.at);
      const next = sleepers.shift();
      clock = isLate ? end : (next?.at ?? end);
      next?.wake();
      await settle();
    }
    clock = end;
  }

  return { now, createJob, advance };
}

test('whoever comes first goes first, one at a time', async () => {
  const { now, createJob, advance } = createWorld();
  const lane = createLane('things', { capacity: 2, refillMs: 100 }, now);
  const passed: [number, number][] = [];
  const all = Promise.all(
    Array.from({ length: 6 }, async (_, index) => {
      await lane.pass(createJob());
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
  const { now, createJob, advance } = createWorld();
  const lane = createLane('things', { capacity: 1, refillMs: 100 }, now);
  const passed: number[] = [];
  const all = Promise.all(
    Array.from({ length: 5 }, async () => {
      await lane.pass(createJob());
      passed.push(now().getTime());
    }),
  );
  await advance(450, true);
  expect(passed).toEqual([0, 450]);
  await advance(1000);
  await all;
  expect(passed).toEqual([0, 450, 550, 650, 750]);
});

test('one who gives up makes room for those behind', async () => {
  const { now, createJob, advance } = createWorld();
  const lane = createLane('things', { capacity: 1, refillMs: 100 }, now);
  await lane.pass(createJob());
  const stops = [new AbortController(), new AbortController()];
  const gaveUp = stops.map(({ signal }) => expect(lane.pass(createJob(signal))).rejects.toThrow('enough'));
  const behind = lane.pass(createJob());
  for (const stop of stops) stop.abort(new Error('enough'));
  await Promise.all(gaveUp);
  await advance(100);
  expect(await behind).toBe(100);
});

test('a turn after the deadline is refused at once, with those ahead counted, and takes no place', async () => {
  const { now, createJob, advance } = createWorld();
  const lane = createLane('things', { capacity: 1, refillMs: 100 }, now);
  await lane.pass(createJob());
  const ahead = [lane.pass(createJob()), lane.pass(createJob())];
  await expect(lane.pass(createJob(undefined, 250))).rejects.toThrow("too late: The CA's limits (things) leave room");
  const next = lane.pass(createJob(undefined, 300));
  await advance(300);
  expect(await Promise.all([...ahead, next])).toEqual([100, 200, 300]);
});

test('a job that was aborted before does not pass', async () => {
  const { now, createJob } = createWorld();
  const lane = createLane('things', { capacity: 1, refillMs: 100 }, now);
  await expect(lane.pass(createJob(AbortSignal.abort(new Error('over'))))).rejects.toThrow('over');
  expect(await lane.pass(createJob())).toBe(0);
});
