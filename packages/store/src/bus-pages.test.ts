/** Tests of how much of a bus a reader is given at once. */
import { BEGINNING } from '@certbus/events/history';
import { expect, test } from 'vitest';
import { createMemoryLog } from './adapters/memory.ts';
import { beginBus, readStream, writeCommits } from './bus.builders.ts';
import { openBus } from './bus.ts';

test('a page has as many bytes as are asked for, and one commit at least; all of them are the bus', async () => {
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  await writeCommits(log, { keys, count: 40 });
  const stored = await readStream(log);
  const largest = Math.max(...stored.map(({ bytes }) => bytes.length));
  for (const maxBytes of [1, 3 * largest]) {
    const bus = openBus(log, 'test', keys);
    const read: number[] = [];
    for (let checkpoint = BEGINNING, isEnd = false; !isEnd; ) {
      const page = await bus.read(checkpoint, { maxBytes });
      expect(page.stored.reduce((sum, { bytes }) => sum + bytes.length, 0)).toBeLessThanOrEqual(
        Math.max(maxBytes, largest),
      );
      read.push(...page.stored.map(({ position }) => position));
      ({ checkpoint, end: isEnd } = page);
    }
    expect(read).toEqual(stored.map(({ position }) => position));
  }
});

test('what a small page cannot prove is proved by what is behind it', async () => {
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  await writeCommits(log, { keys, count: 4 });
  const [, second, third] = await readStream(log);
  if (!second || !third || !log.maintenance) throw new TypeError('a memory log can be changed');
  // In the name of a key that nobody knows: only the commit behind it would show that it is genuine, and does not.
  const bytes = Buffer.from(
    Buffer.from(third.bytes)
      .toString()
      .replace(/\n[0-9a-f]{16} /, '\n0123456789abcdef '),
  );
  await log.maintenance.replace('test', 3, { found: third.bytes, bytes });
  const bus = openBus(log, 'test', keys);
  const { checkpoint } = await bus.read(BEGINNING, { limit: 2 });
  const [small, whole] = [await bus.read(checkpoint, { maxBytes: 1 }), await bus.read(checkpoint)];
  expect(small).toEqual(whole);
  expect(small.refused?.position).toBe(3);
});
