import { BEGINNING, type Checkpoint } from '@certbus/events/history';
import { afterEach, expect, test, vi } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { beginBus, removed, writeCommits, writeForged } from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import { follow } from '../follow.ts';
import { createCommitIds } from './commit-ids.ts';
import { verifyBus } from './verify.ts';

afterEach(() => {
  vi.restoreAllMocks();
});

/** Lets the machine's random generator begin again with the same numbers at each commit from now on. */
function cloneMachine(): void {
  const random = vi.spyOn(crypto, 'getRandomValues');
  random.mockImplementation((array) => {
    (array as unknown as Uint8Array).fill(7);
    return array;
  });
}

test('an id that stands twice is found with both positions, and the rest of the bus is verified', async () => {
  const log = createMemoryLog();
  const { bus, keys } = await beginBus(log);
  let from = (await writeCommits(log, { keys, count: 200 })).at(-1) as Checkpoint;
  for (const n of ['cloned', 'once', 'twice']) {
    cloneMachine();
    from = (await bus.append(from, [removed(n)], { at: new Date() })).checkpoint;
    vi.restoreAllMocks();
    from = (await bus.append(from, [removed(`behind-${n}`)], { at: new Date() })).checkpoint;
  }
  const { checkpoint, repeated } = await verifyBus(bus);
  expect(checkpoint).toEqual(from);
  expect(repeated).toMatchObject({
    code: 'CERTBUS_EVENTS_ID_REPEATED',
    position: 204,
    message: expect.stringContaining('position 202 already'),
  });

  // Followers have no part in it: their state is by position, and a manager could otherwise halt them all.
  const { value } = await follow(openBus(log, 'test', keys), BEGINNING, {
    signal: AbortSignal.timeout(300_000),
  }).next();
  expect(value?.commits).toHaveLength(150);
});

test('a bus whose ids are all its own is good, and what is refused ends the look at it', async () => {
  const log = createMemoryLog();
  const { bus, keys } = await beginBus(log);
  const checkpoints = await writeCommits(log, { keys, count: 300 });
  const positions: number[] = [];
  expect(await verifyBus(bus, { onProgress: (position) => positions.push(position) })).toEqual({
    checkpoint: checkpoints.at(-1),
  });
  expect(positions).toEqual([150, 300, 301]);
  await log.append('test', 301, Buffer.from('forged'));
  await expect(verifyBus(bus)).rejects.toMatchObject({ name: 'HistoryError', position: 302 });
});

test("a signature that is not its manager's is found, also where that manager has signed on top of it", async () => {
  const log = createMemoryLog();
  const { bus, keys } = await beginBus(log);
  const from = (await writeCommits(log, { keys, count: 3 })).at(-1) as Checkpoint;
  const position = await writeForged(log, { keys, from });
  // Followers take it: the manager vouches for all that its own signature is linked to.
  expect((await bus.read(BEGINNING)).refused).toBeUndefined();
  await expect(verifyBus(bus)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_SIGNATURE_INVALID', position });
});

test('ids are told from one another, however many and however alike, and nothing else is taken for one', () => {
  const ids = createCommitIds();
  const id = (n: number, at: number) => {
    const words = new Uint32Array(4);
    words[at] = n + 1;
    return Buffer.from(words.buffer).toString('base64url');
  };
  for (let n = 0; n < 25_000; n += 1)
    for (let at = 0; at < 4; at += 1) expect(ids.add(id(n, at), 4 * n + at + 1)).toBe(undefined);
  for (let n = 0; n < 25_000; n += 997)
    for (let at = 0; at < 4; at += 1) expect(ids.add(id(n, at), 1_000_000)).toBe(4 * n + at + 1);
});
