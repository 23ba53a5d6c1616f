import { BEGINNING, type HistoryError } from '@certbus/events/history';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createMemoryLog } from './adapters/memory.ts';
import { beginBus, createView, removed } from './bus.builders.ts';
import { openBus } from './bus.ts';
import type { Bus } from './bus-port.ts';
import { StoreError } from './errors.ts';
import { type Batch, type FollowOptions, follow } from './follow.ts';
import type { Log } from './log.ts';
import { transact } from './transact.ts';

type FollowError = StoreError | HistoryError;

async function writeMany(bus: Bus, count: number): Promise<void> {
  const view = createView();
  for (let n = 0; n < count; n += 1) await transact(bus, view, () => ({ events: [removed(n)], result: n }));
}

/** Follows until `enough`, and returns the batches and the errors met. */
async function followUntil(bus: Bus, enough: (batches: Batch[], errors: FollowError[]) => boolean) {
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(new Error('the follower did not get there')), 280_000);
  const batches: Batch[] = [];
  const errors: FollowError[] = [];
  const end = new Error('enough');
  const look = () => {
    if (enough(batches, errors)) stop.abort(end);
  };
  try {
    const onError = (error: FollowError) => {
      errors.push(error);
      look();
    };
    for await (const batch of follow(bus, BEGINNING, { intervalMs: 100, onError, signal: stop.signal })) {
      batches.push(batch);
      look();
    }
  } catch (error) {
    if (error !== end) throw error;
  } finally {
    clearTimeout(timer);
  }
  return { batches, errors, positions: batches.flatMap(({ commits }) => commits.map(({ position }) => position)) };
}

const upTo = (last: number) => Array.from({ length: last }, (_, n) => n + 1);

test('a follower gets every commit once, in order, and knows when it is live', async () => {
  const { bus } = await beginBus(createMemoryLog());
  await writeMany(bus, 400);
  const { positions, batches } = await followUntil(bus, (seen) => seen.some(({ live }) => live));
  expect(positions).toEqual(upTo(401));
  expect(batches.filter(({ live }) => live)).toHaveLength(1);
});

test('what is appended later arrives', async () => {
  const { bus } = await beginBus(createMemoryLog());
  let isWriting = false;
  const { positions } = await followUntil(bus, (seen) => {
    if (!isWriting && seen.some(({ live }) => live)) {
      isWriting = true;
      void writeMany(bus, 3);
    }
    return seen.some(({ checkpoint }) => checkpoint.position === 4);
  });
  expect(positions).toEqual([1, 2, 3, 4]);
});

test('an outage is told and survived', async () => {
  const memory = createMemoryLog();
  const { bus: writer, keys } = await beginBus(memory);
  await writeMany(writer, 2);
  let failures = 3;
  const log: Log = {
    ...memory,
    async read(...call) {
      failures -= 1;
      if (failures >= 0) throw new StoreError('CERTBUS_STORE_UNREACHABLE', 'away');
      return memory.read(...call);
    },
  };
  const { positions, errors } = await followUntil(openBus(log, 'test', keys), (seen) => seen.some(({ live }) => live));
  expect(positions).toEqual([1, 2, 3]);
  expect(errors.map(({ code }) => code)).toEqual(Array(3).fill('CERTBUS_STORE_UNREACHABLE'));
});

test('a commit that an eventual read shows too early waits for the one before it', async () => {
  const memory = createMemoryLog();
  const { bus: writer, keys } = await beginBus(memory);
  await writeMany(writer, 3);
  let strongReads = 0;
  const log: Log = {
    ...memory,
    async read(stream, after, options) {
      const page = await memory.read(stream, after, options);
      if (options?.consistent) strongReads += 1;
      else return { ...page, commits: page.commits.filter(({ position }) => position !== 3) };
      return page;
    },
  };
  const { positions } = await followUntil(openBus(log, 'test', keys), (seen) => seen.some(({ live }) => live));
  expect(positions).toEqual([1, 2, 3, 4]);
  expect(strongReads).toBeGreaterThan(0);
});

test('a gap that stays ends it with its position, and nothing behind it is delivered', async () => {
  const memory = createMemoryLog();
  const { bus: writer, keys } = await beginBus(memory);
  await writeMany(writer, 3);
  const log: Log = {
    ...memory,
    async read(...call) {
      const page = await memory.read(...call);
      return { ...page, commits: page.commits.filter(({ position }) => position !== 3) };
    },
  };
  const positions: number[] = [];
  const following = (async () => {
    for await (const { commits } of follow(openBus(log, 'test', keys), BEGINNING, {
      signal: AbortSignal.timeout(300_000),
    }))
      positions.push(...commits.map(({ position }) => position));
  })();
  await expect(following).rejects.toMatchObject({
    code: 'CERTBUS_STORE_GAP',
    message: expect.stringContaining('not 3'),
  });
  expect(positions).toEqual([1, 2]);
});

test('a forged commit raises an alarm, what is before it is served, and following goes on once it is gone', async () => {
  const memory = createMemoryLog();
  const { bus: writer, keys } = await beginBus(memory);
  await writeMany(writer, 2);
  let isForged = true;
  const log: Log = {
    ...memory,
    async read(stream, after, options) {
      const page = await memory.read(stream, after, options);
      if (!isForged) return page;
      const forge = (commit: (typeof page.commits)[number]) =>
        commit.position === 3 ? { position: 3, bytes: Buffer.from('forged') } : commit;
      return { ...page, commits: page.commits.map(forge) };
    },
  };
  const { positions, errors } = await followUntil(openBus(log, 'test', keys), (seen, met) => {
    if (met.length === 2) isForged = false;
    return seen.some(({ live }) => live);
  });
  expect(positions).toEqual([1, 2, 3]);
  expect(errors[0]).toMatchObject({ name: 'HistoryError', position: 3 });
});

test('a log that was rolled back below the follower raises an alarm', async () => {
  const { bus } = await beginBus(createMemoryLog());
  await writeMany(bus, 3);
  const { checkpoint } = await bus.read(BEGINNING);
  const { bus: shorter } = await beginBus(createMemoryLog());
  await expect(shorter.confirm(checkpoint)).rejects.toMatchObject({ name: 'HistoryError', position: 4 });
  await expect(bus.confirm(checkpoint)).resolves.toBeUndefined();
  await expect(bus.confirm({ ...checkpoint, hash: 'A'.repeat(43) })).rejects.toMatchObject({ position: 4 });
});

test('one request compares what was read before and reads what comes behind it', async () => {
  const memory = createMemoryLog();
  const { keys, bus: writing } = await beginBus(memory);
  await writeMany(writing, 5);
  const reads: (boolean | undefined)[] = [];
  const counting: Log = {
    ...memory,
    read(stream, after, options) {
      reads.push(options?.consistent);
      return memory.read(stream, after, options);
    },
  };
  const bus = openBus(counting, 'test', keys);
  const { checkpoint } = await bus.read(BEGINNING, { limit: 2, confirm: true });
  reads.length = 0;
  const page = await bus.read(checkpoint, { limit: 3, confirm: true });
  expect(page.commits.map(({ position }) => position)).toEqual([3, 4, 5]);
  expect(page.end).toBe(false);
  expect(reads).toEqual([true]);
  const other = { ...checkpoint, hash: 'A'.repeat(43) };
  await expect(bus.read(other, { confirm: true })).rejects.toMatchObject({ name: 'HistoryError', position: 2 });
  const beyond = { ...checkpoint, position: 40 };
  await expect(bus.read(beyond, { confirm: true })).rejects.toMatchObject({ name: 'HistoryError', position: 40 });
});

test('an abort ends a quiet wait at once', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const stop = new AbortController();
  const follower = follow(bus, BEGINNING, { intervalMs: 3_600_000, signal: stop.signal });
  await follower.next();
  const next = follower.next();
  setTimeout(() => stop.abort(new Error('stop')), 20);
  await expect(next).rejects.toThrow('stop');
});

/** A follower of a quiet bus on a clock of the test's own, and when it looked, confirmed and failed, in milliseconds. */
async function followOnVirtualClock({
  chance = 0.5,
  outages = [],
  version,
  whenWritten,
  ...options
}: Omit<FollowOptions, 'signal'> & {
  /** What is drawn for the jitter: 0 makes a pause the shortest, 0.5 is none. */
  readonly chance?: number;
  /** Which looks fail, counted from 1. */
  readonly outages?: readonly number[];
  readonly version?: () => number;
  readonly whenWritten?: Bus['whenWritten'];
}) {
  const memory = createMemoryLog();
  const { bus: quiet } = await beginBus(memory);
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
  const random = vi.spyOn(Math, 'random').mockReturnValue(chance);
  const stop = new AbortController();
  onTestFinished(() => {
    stop.abort();
    random.mockRestore();
    vi.useRealTimers();
  });
  const began = performance.now();
  const now = () => performance.now() - began;
  const looks: number[] = [];
  const confirms: number[] = [];
  const bus: Bus = {
    ...quiet,
    async read(...call) {
      looks.push(now());
      if (outages.includes(looks.length)) throw new StoreError('CERTBUS_STORE_UNREACHABLE', 'away');
      return quiet.read(...call);
    },
    confirm(...call) {
      confirms.push(now());
      return quiet.confirm(...call);
    },
    version: () => version?.(),
    whenWritten: whenWritten ?? quiet.whenWritten,
  };
  const following = (async () => {
    for await (const _ of follow(bus, BEGINNING, { ...options, signal: stop.signal }));
  })();
  following.catch(() => {});
  const pauses = () => looks.slice(1).map((at, index) => Math.round(at - (looks[index] ?? 0)));
  return { looks, confirms, pauses, after: (ms: number) => vi.advanceTimersByTimeAsync(ms) };
}

test.each([
  [0, 9_000],
  [0.5, 10_000],
  [1, 11_000],
])('a quiet bus is looked at once an interval, more or less by a tenth as %s is drawn', async (chance, pause) => {
  const follower = await followOnVirtualClock({ chance });
  await follower.after(pause * 3 + 10);
  expect(follower.pauses()).toEqual([pause, pause, pause]);
});

test.each([
  ['the default floor', { intervalMs: 1 }, 100],
  ['the default ceiling', { intervalMs: 1e9 }, 3_600_000],
  ['a floor of its own', { intervalMs: 1, floorMs: 20 }, 20],
  ['a ceiling of its own', { intervalMs: 1e9, ceilingMs: 50_000 }, 50_000],
])('no interval goes beyond %s', async (_, options, pause) => {
  const follower = await followOnVirtualClock(options);
  await follower.after(pause * 3 + 10);
  expect(follower.pauses()).toEqual([pause, pause, pause]);
});

test('while the bus is away the pauses grow up to the interval, and begin again once it was back', async () => {
  const outages = [2, 3, 4, 5, 6, 7, 9];
  const follower = await followOnVirtualClock({ intervalMs: 5_000, outages });
  await follower.after(24_400);
  expect(follower.pauses()).toEqual([5_000, 250, 500, 1_000, 2_000, 4_000, 5_000, 5_000, 250]);
});

test.each([
  [0, [225, 450, 900]],
  [1, [275, 550, 1_100]],
])(
  'the pauses of an outage are drawn as well, so that a fleet does not come back in one moment: %s',
  async (chance, pauses) => {
    const follower = await followOnVirtualClock({ outages: [1, 2, 3], chance });
    await follower.after(2_000);
    expect(follower.pauses()).toEqual(pauses);
  },
);

test('what was read is compared again at the first look, once an hour, and after every outage', async () => {
  const follower = await followOnVirtualClock({ intervalMs: 60_000 });
  await follower.after(2.5 * 3_600_000);
  expect(follower.confirms.map((at) => Math.floor(at / 3_600_000))).toEqual([0, 1, 2]);
  expect(follower.confirms[0]).toBe(0);
});

test('after an outage what was read is compared again at the next look, and at no other', async () => {
  const follower = await followOnVirtualClock({ intervalMs: 1_000, outages: [4, 5] });
  await follower.after(10_000);
  const [, , , fourth, fifth, sixth] = follower.looks;
  expect(follower.confirms).toEqual([0, fifth, sixth]);
  expect(fourth).toBe(3_000);
});

test('a follower of a store that says when it was written reads at once, and otherwise as seldom as any', async () => {
  const asked: { version: number | undefined; withinMs: number; write: () => void }[] = [];
  const follower = await followOnVirtualClock({
    intervalMs: 60_000,
    version: () => asked.length,
    whenWritten: (version, { withinMs }) =>
      new Promise((resolve) => {
        asked.push({ version, withinMs, write: resolve });
        setTimeout(resolve, withinMs);
      }),
  });
  await follower.after(59_000);
  expect(follower.looks).toEqual([0]);
  asked.at(-1)?.write();
  await follower.after(59_000);
  expect(follower.pauses()).toEqual([59_000]);
  await follower.after(1_000);
  expect(follower.pauses()).toEqual([59_000, 60_000]);
  expect(asked.map(({ version, withinMs }) => [version, withinMs])).toEqual([
    [0, 60_000],
    [1, 60_000],
    [2, 60_000],
  ]);
});
