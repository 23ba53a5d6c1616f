import { getEventListeners } from 'node:events';
import { setImmediate } from 'node:timers/promises';
import type { WrittenEvent } from '@certbus/events/history';
import { expect, test, vi } from 'vitest';
import { createMemoryLog } from './adapters/memory.ts';
import { beginBus, createView, removed } from './bus.builders.ts';
import { openBus } from './bus.ts';
import type { Log } from './log.ts';
import { catchUp, transact } from './transact.ts';

const say = (id: string) => () => ({ events: [removed(id)], result: id });

/** An event made larger by a field that nobody knows. */
const withNote = (id: number | string, note: string): WrittenEvent => Object.assign(removed(id), { note });

/** Counts what reaches the log and lets a test stand in between. */
function watched(log: Log, before: (nth: number) => Promise<void> = async () => {}): Log & { appends: number } {
  const wrapper = {
    ...log,
    appends: 0,
    async append(...call: Parameters<Log['append']>) {
      wrapper.appends += 1;
      await before(wrapper.appends);
      return log.append(...call);
    },
  };
  return wrapper;
}

/** A bus with a view on it, and how often it is read meanwhile. */
async function beginCounted() {
  const memory = createMemoryLog();
  const { keys } = await beginBus(memory);
  let reads = 0;
  const log: Log = {
    ...memory,
    read(...call) {
      reads += 1;
      return memory.read(...call);
    },
  };
  const bus = openBus(log, 'test', keys);
  const view = createView();
  const readsOf = async (work: () => Promise<unknown>) => {
    reads = 0;
    await work();
    return reads;
  };
  return { memory, keys, bus, view, readsOf };
}

test('a decision is appended and seen by its own view', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  expect(await transact(bus, view, say('a'))).toBe('a');
  expect(view.removals).toEqual(['certificate-a']);
  expect(view.checkpoint.position).toBe(2);
});

test('a decision whose append is known succeeds, also when its own view cannot take it any more', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const inner = createView();
  let isBroken = false;
  const view: typeof inner = {
    ...inner,
    get checkpoint() {
      return inner.checkpoint;
    },
    apply(commits, reached) {
      if (isBroken) throw new Error('the disk is full');
      inner.apply(commits, reached);
    },
  };
  await transact(bus, view, say('a'));
  isBroken = true;
  expect(await transact(bus, view, say('b'))).toBe('b');
  await expect(transact(bus, view, say('c'))).rejects.toThrow('the disk is full');
  isBroken = false;
  expect(await transact(bus, view, say('d'))).toBe('d');
  expect(inner.removals).toEqual(['certificate-a', 'certificate-b', 'certificate-d']);
});

test('on a view that was caught up a moment ago, what is said is appended without a read', async () => {
  const { memory, keys, bus, view, readsOf } = await beginCounted();
  await catchUp(bus, view);
  expect(await readsOf(() => transact(bus, view, say('a'), { caughtUp: true }))).toBe(0);
  expect(view.removals).toEqual(['certificate-a']);

  // Another process writes: what is said is decided again, and what is not said is true of now.
  const other = createView();
  await transact(openBus(memory, 'test', keys), other, say('b'));
  const addAll = (state: readonly string[]) => ({ events: [removed(`after-${state.length}`)], result: state.length });
  expect(await transact(bus, view, addAll, { caughtUp: true })).toBe(2);
  await transact(openBus(memory, 'test', keys), other, say('c'));
  const look = (state: readonly string[]) => ({ events: [], result: state.length });
  expect(await transact(bus, view, look, { caughtUp: true })).toBe(4);
  // Never caught up: there is nothing that could be trusted.
  expect(await transact(bus, createView(), look, { caughtUp: true })).toBe(4);
});

test('behind what this process wrote last, what is said is appended without a read, until another writes', async () => {
  const { memory, keys, bus, view, readsOf } = await beginCounted();
  expect(await readsOf(() => transact(bus, view, say('a')))).toBe(1);
  expect(await readsOf(() => transact(bus, view, say('b')))).toBe(0);
  // What is not said has to be true of now.
  expect(await readsOf(() => transact(bus, view, () => ({ events: [], result: undefined })))).toBe(1);
  expect(await readsOf(() => transact(bus, view, say('c')))).toBe(0);

  const other = createView();
  await transact(openBus(memory, 'test', keys), other, say('d'));
  const addAll = (state: readonly string[]) => ({ events: [removed(`after-${state.length}`)], result: state.length });
  expect(await transact(bus, view, addAll)).toBe(4);
  await transact(openBus(memory, 'test', keys), other, say('e'));
  await catchUp(bus, view);
  expect(await readsOf(() => transact(bus, view, addAll))).toBe(1);
  expect(await readsOf(() => transact(bus, view, addAll))).toBe(0);
});

test('that another process wrote since this one did last is not an attempt', async () => {
  const memory = createMemoryLog();
  const { bus, keys } = await beginBus(memory);
  const view = createView();
  await transact(bus, view, say('a'));
  await transact(openBus(memory, 'test', keys), createView(), say('b'));
  const add = (state: readonly string[]) => ({ events: [removed('c')], result: state.length });
  expect(await transact(bus, view, add, { attempts: 1 })).toBe(2);
});

test('decisions that come within a few turns of the event loop share a commit', async () => {
  const log = watched(createMemoryLog());
  const { bus } = await beginBus(log);
  const view = createView();
  const before = log.appends;
  const first = transact(bus, view, say('a'));
  await setImmediate();
  await setImmediate();
  await Promise.all([first, transact(bus, view, say('b'))]);
  expect(log.appends).toBe(before + 1);
});

test('a decision that has nothing to say appends nothing', async () => {
  const log = watched(createMemoryLog());
  const { bus } = await beginBus(log);
  const before = log.appends;
  expect(await transact(bus, createView(), (state) => ({ events: [], result: state.length }))).toBe(0);
  expect(log.appends).toBe(before);
});

test('a hundred decisions that wait together share one commit, each seeing what the one before it left', async () => {
  const log = watched(createMemoryLog());
  const { bus } = await beginBus(log);
  const before = log.appends;
  const view = createView();
  const seen = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      transact(bus, view, (state) => ({ events: [removed(n)], result: state.length })),
    ),
  );
  expect(seen).toEqual(Array.from({ length: 100 }, (_, n) => n));
  expect(log.appends).toBe(before + 1);
});

test('decisions whose answers come in one turn of the event loop share a commit, also behind one that is written', async () => {
  const log = watched(createMemoryLog());
  const { bus } = await beginBus(log);
  const view = createView();
  const before = log.appends;
  const asked: Promise<unknown>[] = [];
  for (const round of ['a', 'b']) {
    // Each in a callback of its own, as answers from the network come.
    const all = ['1', '2', '3'].map(
      (n) =>
        new Promise<void>((resolve) => {
          void setImmediate().then(() => {
            asked.push(transact(bus, view, say(round + n)));
            resolve();
          });
        }),
    );
    await Promise.all(all);
    await Promise.all(asked);
  }
  expect(log.appends).toBe(before + 2);
});

test('one decision that throws fails alone, and only once the others are written', async () => {
  let isWritten = false;
  const log = watched(createMemoryLog(), async (nth) => {
    if (nth === 1) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
    isWritten = true;
  });
  const { bus } = await beginBus(log);
  const view = createView();
  const good = transact(bus, view, say('good'));
  const bad = transact(bus, view, () => {
    throw new Error('no');
  });
  await expect(bad).rejects.toThrow('no');
  expect(isWritten).toBe(true);
  expect(await good).toBe('good');
  expect(view.removals).toEqual(['certificate-good']);
});

test('after a conflict the view is caught up and everything decided again', async () => {
  const memory = createMemoryLog();
  const { bus: rival, keys } = await beginBus(memory);
  const rivalView = createView();
  const log = watched(memory, async (nth) => {
    if (nth <= 2) await transact(rival, rivalView, say(`rival${nth}`));
  });
  const bus = openBus(log, 'test', keys);
  const view = createView();
  const decide = vi.fn((state: readonly string[]) => ({ events: [removed('mine')], result: [...state] }));
  expect(await transact(bus, view, decide)).toEqual(['certificate-rival1', 'certificate-rival2']);
  expect(decide).toHaveBeenCalledTimes(3);
  expect(view.removals).toEqual(['certificate-rival1', 'certificate-rival2', 'certificate-mine']);
});

test('a bus that is always busy ends with a typed error', async () => {
  const memory = createMemoryLog();
  const { bus: rival, keys } = await beginBus(memory);
  const rivalView = createView();
  const bus = openBus(
    watched(memory, async (nth) => void (await transact(rival, rivalView, say(`r${nth}`)))),
    'test',
    keys,
  );
  await expect(transact(bus, createView(), say('mine'), { attempts: 3 })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_ATTEMPTS_EXHAUSTED',
  });
});

test('what does not fit into one commit goes into the next', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  const large = 'x'.repeat(1000);
  const all = Array.from({ length: 600 }, (_, n) =>
    transact(bus, view, () => ({ events: [withNote(n, large)], result: n })),
  );
  expect(await Promise.all(all)).toHaveLength(600);
  expect(view.checkpoint.position).toBeGreaterThan(2);
  expect(view.removals).toHaveLength(600);
});

test('one decision too large for a commit fails alone', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  const huge = transact(bus, view, () => ({
    events: [withNote('huge', 'x'.repeat(400_000))],
    result: undefined,
  }));
  const small = transact(bus, view, say('small'));
  await expect(huge).rejects.toMatchObject({ code: 'CERTBUS_STORE_TOO_LARGE' });
  expect(await small).toBe('small');
});

test('an aborted decision is not written, and takes no other with it', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  const reason = new Error('stop');
  const aborted = transact(bus, view, say('aborted'), { signal: AbortSignal.abort(reason) });
  const other = transact(bus, view, say('other'));
  await expect(aborted).rejects.toBe(reason);
  await other;
  expect(view.removals).toEqual(['certificate-other']);
});

test('a key that the root has not named cannot write', async () => {
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  const { keys: others } = await beginBus(createMemoryLog());
  const bus = openBus(log, 'test', { trust: keys.trust, signer: others.signer });
  await expect(transact(bus, createView(), say('a'))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_SIGNER_NOT_IN_FORCE',
  });
});

test('nothing is decided on a history that is refused', async () => {
  const log = createMemoryLog();
  const { bus } = await beginBus(log);
  await log.append('test', 1, Buffer.from('no commit at all'));
  await expect(transact(bus, createView(), say('a'))).rejects.toMatchObject({ name: 'HistoryError', position: 2 });
});

/** Takes the newest commit out of a log, as a store does that is put back to an older copy of itself. */
async function rollBack(log: Log): Promise<void> {
  const { commits } = await log.read('test', 0, { limit: 1_000 });
  const newest = commits.at(-1);
  if (!newest) throw new TypeError('the log is empty');
  await log.maintenance?.replace('test', newest.position, { found: newest.bytes, bytes: undefined });
}

test('a view that was ahead of its bus when this process began is refused at its first look', async () => {
  const log = createMemoryLog();
  const { bus } = await beginBus(log);
  const view = createView();
  for (const id of ['a', 'b']) await transact(bus, view, say(id));
  await rollBack(log);
  // As another process would, with a view that was kept on a disk.
  const kept = { ...createView(), checkpoint: view.checkpoint };
  await expect(catchUp(bus, kept)).rejects.toMatchObject({ name: 'HistoryError', position: 3 });
  await expect(transact(bus, kept, say('c'))).rejects.toMatchObject({ name: 'HistoryError', position: 3 });
});

test.each([false, true])(
  'a bus that is rolled back under this process shows by the first conflict with nothing (caught up: %s)',
  async (caughtUp) => {
    const log = createMemoryLog();
    const { bus } = await beginBus(log);
    const view = createView();
    for (const id of ['a', 'b']) await transact(bus, view, say(id));
    await rollBack(log);
    await expect(transact(bus, view, say('c'), { caughtUp })).rejects.toMatchObject({
      name: 'HistoryError',
      position: 3,
    });
    expect((await log.read('test', 0)).commits).toHaveLength(2);
  },
);

test('two processes that decide at once both get their say, in one line', async () => {
  const log = createMemoryLog();
  const { keys, bus } = await beginBus(log);
  const other = openBus(log, 'test', keys);
  const [one, two] = [createView(), createView()];
  const runs = Array.from({ length: 20 }, (_, n) => [
    transact(bus, one, say(`one${n}`)),
    transact(other, two, say(`two${n}`)),
  ]);
  await Promise.all(runs.flat());
  const reader = createView();
  await transact(bus, reader, () => ({ events: [], result: undefined }));
  expect(new Set(reader.removals).size).toBe(40);
  expect(reader.removals).toHaveLength(40);
});

test('two views of one open bus each decide on their own picture', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const [one, two] = [createView(), createView()];
  await Promise.all([transact(bus, one, say('a')), transact(bus, two, say('b'))]);
  await transact(bus, one, () => ({ events: [], result: undefined }));
  await transact(bus, two, () => ({ events: [], result: undefined }));
  expect(one.removals).toEqual(two.removals);
  expect(new Set(one.removals)).toEqual(new Set(['certificate-a', 'certificate-b']));
});

test('a long-lived signal is released after every decision', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  const { signal } = new AbortController();
  const listening: number[] = [];
  const listen = () => {
    listening.push(getEventListeners(signal, 'abort').length);
    return { events: [removed(listening.length)], result: undefined };
  };
  for (let n = 0; n < 3; n += 1) await transact(bus, view, listen, { signal });
  expect(listening).toEqual([1, 1, 1]);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('a decision that is asked for in any turn after the last one settled is heard', async () => {
  const { bus } = await beginBus(createMemoryLog());
  const view = createView();
  for (let turns = 0; turns < 10; turns += 1) {
    await transact(bus, view, say(`first-${turns}`));
    for (let turn = 0; turn < turns; turn += 1) await Promise.resolve();
    expect(await transact(bus, view, say(`second-${turns}`))).toBe(`second-${turns}`);
  }
});
