/** Tests of what a manager keeps elsewhere: how often, for how long at most, and what is said of a failure. */
import { BEGINNING, type Checkpoint } from '@certbus/events/history';
import { openRenewalInfoNotes, type StoredRenewalInfoNotes } from '@certbus/manager/renewal-info-notes';
import type { ArchivePlace } from '@certbus/store';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { KnownTrust } from './checkpoint.ts';
import { createKeeping } from './keeping.ts';

const MINUTE_MS = 60_000;

afterEach(() => vi.restoreAllMocks());

/** How far a manager has read. */
const at = (position: number) => ({
  checkpoint: { ...BEGINNING, position, hash: 'A'.repeat(43) },
  staleSince: undefined,
});

/** Notes that a CA was asked about a certificate. */
function ask(notes: StoredRenewalInfoNotes, certificateId: string): void {
  const askAt = new Date('2026-11-30T12:00:00Z');
  notes.set({ certificateId, leafHash: 'leaf', directory: 'https://ca.test/directory', askAt, failures: 0 });
}

/** What is kept in memory, unless a test says what happens in the place of that. */
function start({
  keep,
  put,
  get = () => Promise.reject(new Error('nothing here is read')),
  isKept = true,
}: {
  keep?: (position: number, signal: AbortSignal | undefined) => Promise<void>;
  put?: (signal: AbortSignal | undefined) => Promise<void>;
  get?: ArchivePlace['get'];
  isKept?: boolean;
} = {}) {
  const positions: number[] = [];
  const objects: Uint8Array[] = [];
  const lines: unknown[] = [];
  const known: Pick<KnownTrust, 'isKept' | 'keep'> = {
    isKept,
    async keep({ position }: Checkpoint, { signal } = {}) {
      await keep?.(position, signal);
      positions.push(position);
    },
  };
  const archive: ArchivePlace = {
    get,
    async put(_, bytes, { signal } = {}) {
      await put?.(signal);
      objects.push(bytes);
    },
    update: () => Promise.reject(new Error('nothing here is changed in place')),
    close: async () => {},
  };
  const notes = openRenewalInfoNotes(':memory:');
  onTestFinished(() => notes[Symbol.dispose]());
  let now = Date.UTC(2026, 10, 29);
  const keeping = createKeeping({
    known,
    notes,
    archive,
    busId: 'bus',
    logger: { warn: (message, fields) => lines.push([message, fields?.['error']]) },
    now: () => new Date(now),
  });
  const advance = (ms: number) => {
    now += ms;
  };
  return { keeping, notes, positions, objects, lines, advance };
}

test('while a manager runs on its checkpoint is kept each time, and notes that changed once an hour, and at the end', async () => {
  const { keeping, notes, positions, objects, advance } = start();
  await keeping.keep(at(1));
  expect(objects).toHaveLength(0);
  ask(notes, 'a');
  await keeping.keep(at(2));
  expect(objects).toHaveLength(1);
  ask(notes, 'b');
  advance(59 * MINUTE_MS);
  await keeping.keep(at(3));
  expect(objects).toHaveLength(1);
  advance(MINUTE_MS);
  await keeping.keep(at(4));
  expect(objects).toHaveLength(2);
  advance(60 * MINUTE_MS);
  await keeping.keep(at(5));
  expect(objects).toHaveLength(2);
  ask(notes, 'c');
  await keeping.keep(at(6));
  ask(notes, 'd');
  await keeping.end(at(7));
  expect(objects).toHaveLength(4);
  expect(positions).toEqual([1, 2, 3, 4, 5, 6, 7]);
});

test('notes are kept as often after the clock was put back', async () => {
  const { keeping, notes, objects, advance } = start();
  ask(notes, 'a');
  await keeping.keep(at(1));
  ask(notes, 'b');
  advance(-365 * 24 * 60 * MINUTE_MS);
  await keeping.keep(at(2));
  expect(objects).toHaveLength(2);
});

test('a checkpoint and an archive that hang end together, by one bound of ten seconds', async () => {
  const bounds: { readonly ms: number; readonly end: AbortController }[] = [];
  vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
    const end = new AbortController();
    bounds.push({ ms, end });
    return end.signal;
  });
  let hanging = 0;
  const hang = (signal: AbortSignal | undefined) =>
    new Promise<void>((_, reject) => {
      hanging += 1;
      signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  const { keeping, notes, lines } = start({ keep: (_, signal) => hang(signal), put: hang });
  ask(notes, 'a');
  const ending = keeping.end(at(1));
  await expect.poll(() => hanging).toBe(2);
  expect(bounds.map(({ ms }) => ms)).toEqual([10_000]);
  bounds[0]?.end.abort(new Error('the time is over'));
  await ending;
  expect(lines.toSorted()).toEqual([
    ['the checkpoint was not written', 'the time is over'],
    ['the notes of when to ask the CAs were not written', 'the time is over'],
  ]);
});

test.each([
  ['half a minute', 0],
  ['the signal of its run', 1],
])('an archive that takes the question for notes and never answers holds up a start until %s', async (_, which) => {
  const bound = new AbortController();
  const timeout = vi.spyOn(AbortSignal, 'timeout').mockReturnValue(bound.signal);
  const run = new AbortController();
  const asked = Promise.withResolvers<void>();
  const { keeping, lines } = start({
    get: (_key, { signal } = {}) => {
      asked.resolve();
      return new Promise((_resolve, reject) => {
        signal?.addEventListener('abort', () => reject(signal.reason), { once: true });
      });
    },
  });
  const beginning = keeping.begin({ signal: run.signal });
  await asked.promise;
  expect(timeout).toHaveBeenCalledWith(30_000);
  [bound, run][which]?.abort(new Error('the time is over'));
  await beginning;
  expect(lines).toEqual([['the notes of when to ask the CAs were not read', 'the time is over']]);
});

test('what is kept again meanwhile is kept once, after what is under way; the end waits for none of it but the last', async () => {
  const gates: PromiseWithResolvers<void>[] = [];
  const begun: number[] = [];
  const { keeping, positions, lines } = start({
    keep(position, signal) {
      const gate = Promise.withResolvers<void>();
      gates.push(gate);
      begun.push(position);
      signal?.addEventListener('abort', () => gate.reject(signal.reason), { once: true });
      return gate.promise;
    },
  });
  const manager = { ...at(1) };
  const all = [keeping.keep(manager)];
  await expect.poll(() => begun).toEqual([1]);
  all.push(keeping.keep(manager), keeping.keep(manager));
  manager.checkpoint = at(2).checkpoint;
  for (const position of [1, 2]) {
    await expect.poll(() => begun.at(-1)).toBe(position);
    expect(positions).toHaveLength(position - 1);
    gates.at(-1)?.resolve();
  }
  await Promise.all(all);
  manager.checkpoint = at(3).checkpoint;
  all.push(keeping.keep(manager));
  await expect.poll(() => begun.at(-1)).toBe(3);
  // Another one would come after it.
  all.push(keeping.keep(manager));
  const end = keeping.end(at(5));
  await expect.poll(() => begun.at(-1)).toBe(5);
  gates.at(-1)?.resolve();
  await Promise.all([...all, end]);
  expect(positions).toEqual([1, 2, 5]);
  expect(lines).toEqual([]);
});

test('a failure is reported once until it is another one, or none', async () => {
  const failures = [
    new Error('denied'),
    new Error('denied'),
    new Error('throttled'),
    undefined,
    new Error('throttled'),
  ];
  const { keeping, lines } = start({
    async keep() {
      const error = failures.shift();
      if (error) throw error;
    },
  });
  for (let n = 1; n <= 5; n += 1) await keeping.keep(at(n));
  expect(lines).toEqual(['denied', 'throttled', 'throttled'].map((error) => ['the checkpoint was not written', error]));
});

test('what could be a history that was cut off is not kept as known', async () => {
  const { keeping, positions } = start();
  await keeping.keep({ ...at(1), staleSince: new Date(0) });
  await keeping.end({ ...at(1), staleSince: new Date(0) });
  expect(positions).toEqual([]);
});

test('without a place for checkpoints, notes are neither read from the archive nor kept there', async () => {
  const { keeping, notes, objects } = start({ isKept: false });
  ask(notes, 'a');
  await keeping.end(at(1));
  expect(objects).toEqual([]);
});
