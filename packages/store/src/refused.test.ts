import { verify } from 'node:crypto';
import { BEGINNING } from '@certbus/events/history';
import { afterEach, expect, test, vi } from 'vitest';
import { createMemoryLog } from './adapters/memory.ts';
import { beginBus, readStream, removed, writeCommits } from './bus.builders.ts';
import { openBus } from './bus.ts';
import { follow } from './follow.ts';
import type { Log } from './log.ts';
import { sleep } from './sleep.ts';

// Counted, not replaced.
vi.mock('node:crypto', { spy: true });
const signatures = vi.mocked(verify);
afterEach(() => vi.useRealTimers());

/** A bus of five commits, the last of which has a signature in a manager's name that is none. */
async function beginForged() {
  const log = createMemoryLog();
  const { bus, keys } = await beginBus(log);
  await writeCommits(log, { keys, count: 4 });
  const genuine = (await readStream(log)).at(-1);
  if (!genuine || !log.maintenance) throw new TypeError('a memory log can be repaired');
  const text = Buffer.from(genuine.bytes).toString();
  const bytes = Buffer.from(`${text.slice(0, text.indexOf('\n') + 18)}${'A'.repeat(86)}\n`);
  await log.maintenance.replace('test', 5, { found: genuine.bytes, bytes });
  const repair = () => log.maintenance?.replace('test', 5, { found: bytes, bytes: genuine.bytes });
  return { log, bus, keys, repair };
}

test('bytes that were refused are not verified again, and are taken once they are repaired', async () => {
  const { log, keys, repair } = await beginForged();
  const bus = openBus(log, 'test', keys);
  const { checkpoint, refused } = await bus.read(BEGINNING);
  expect(refused?.position).toBe(5);
  signatures.mockClear();
  for (let look = 0; look < 3; look += 1) expect((await bus.read(checkpoint)).refused).toBe(refused);
  expect(signatures).not.toHaveBeenCalled();
  await repair();
  const page = await bus.read(checkpoint);
  expect(page.refused).toBeUndefined();
  expect(signatures).toHaveBeenCalledTimes(1);
  await bus.append(page.checkpoint, [removed('next')], { at: new Date() });
});

test('what was refused is looked at after growing pauses, however often somebody writes to the store', async () => {
  const { log, keys, repair } = await beginForged();
  vi.useFakeTimers();
  let reads = 0;
  const busy: Log = {
    ...log,
    read(...call) {
      reads += 1;
      return log.read(...call);
    },
    version: () => 1,
    whenWritten: (_version, { signal }) => sleep(10, signal),
  };
  const stop = new AbortController();
  const reached: number[] = [];
  const following = (async () => {
    const options = { intervalMs: 10_000, signal: stop.signal };
    for await (const { checkpoint } of follow(openBus(busy, 'test', keys), BEGINNING, options))
      reached.push(checkpoint.position);
  })();
  await vi.advanceTimersByTimeAsync(60_000);
  expect(reached.at(-1)).toBe(4);
  // After 0.25, 0.5, 1, 2, 4, 8 and then 10 seconds; each look confirms its position and reads.
  expect(reads).toBeGreaterThan(15);
  expect(reads).toBeLessThan(30);
  await repair();
  await vi.advanceTimersByTimeAsync(15_000);
  expect(reached.at(-1)).toBe(5);
  stop.abort(new Error('enough'));
  await expect(following).rejects.toThrow('enough');
});
