import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { orAbort } from '../../dns/turns.ts';
import { createCrowd, createTurnstile, shareWork } from './waiting.ts';

const stopped = (): AbortSignal => AbortSignal.abort(new Error('gone'));

test('a crowd ends with the last of its members, also where others had left before it was made', () => {
  const [one, two] = [new AbortController(), new AbortController()];
  using crowd = createCrowd([stopped(), one.signal, two.signal]);
  one.abort(new Error('one'));
  expect(crowd.signal.aborted).toBe(false);
  two.abort(new Error('two'));
  expect(crowd.signal.reason).toMatchObject({ message: 'two' });
  using empty = createCrowd([stopped()]);
  expect(empty.signal.aborted).toBe(true);
});

test('work is shared while it is under way, and done again afterwards', async () => {
  let runs = 0;
  const work = shareWork(async () => {
    runs += 1;
    await new Promise((resolve) => setImmediate(resolve));
    return runs;
  });
  const { signal } = new AbortController();
  expect(await Promise.all([work.join(signal), work.join(signal)])).toEqual([1, 1]);
  expect(work.isRunning()).toBe(false);
  expect(await work.join(signal)).toBe(2);
  expect(getEventListeners(signal, 'abort')).toEqual([]);
});

test('shared work goes on when one of two leaves, and ends when both have', async () => {
  const ended: unknown[] = [];
  const work = shareWork(
    (signal) =>
      new Promise<never>((_, reject) => {
        signal.addEventListener('abort', () => {
          ended.push(signal.reason);
          reject(signal.reason);
        });
      }),
  );
  const [one, two] = [new AbortController(), new AbortController()];
  const outcomes = [work.join(one.signal), work.join(two.signal)];
  one.abort(new Error('one'));
  await expect(outcomes[0]).rejects.toThrow('one');
  expect(ended).toEqual([]);
  two.abort(new Error('two'));
  await expect(outcomes[1]).rejects.toThrow('two');
  expect(ended).toHaveLength(1);
});

test('who comes when all others have left begins the work again', async () => {
  let runs = 0;
  const work = shareWork(async (signal) => {
    runs += 1;
    if (runs === 1) await orAbort(new Promise(() => {}), signal);
    return runs;
  });
  const first = new AbortController();
  const left = work.join(first.signal);
  first.abort(new Error('left'));
  const next = work.join(new AbortController().signal);
  await expect(left).rejects.toThrow('left');
  expect(await next).toBe(2);
});

test('a turnstile lets so many through at once, in order, and forgets who gives up', async () => {
  const turnstile = createTurnstile(2);
  const { signal } = new AbortController();
  const impatient = new AbortController();
  const seen: string[] = [];
  let inside = 0;
  let most = 0;
  const run = (name: string) => async () => {
    seen.push(name);
    inside += 1;
    most = Math.max(most, inside);
    await new Promise((resolve) => setImmediate(resolve));
    inside -= 1;
  };
  const passes = ['a', 'b', 'c'].map((name) => turnstile.pass(run(name), signal));
  const gaveUp = turnstile.pass(run('d'), impatient.signal);
  passes.push(turnstile.pass(run('e'), signal));
  impatient.abort(new Error('enough'));
  await expect(gaveUp).rejects.toThrow('enough');
  await Promise.all(passes);
  expect(seen).toEqual(['a', 'b', 'c', 'e']);
  expect(most).toBe(2);
});
