import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { createTurns } from './turns.ts';

const { path: folder, remove } = temporaryFolder();
afterAll(remove);
const { signal } = new AbortController();

test('one of two has a turn at a time, and learns whether the other one had one since', async () => {
  const path = join(folder, 'turns', 'files');
  const [service, once] = [createTurns(path), createTurns(path)];
  const first = await service(signal);
  let isOver = false;
  const waiting = once(signal).then((turn) => {
    expect(isOver).toBe(true);
    return turn;
  });
  const ending = new AbortController();
  const given = service(ending.signal);
  ending.abort();
  await expect(given).rejects.toBe(ending.signal.reason);
  isOver = true;
  first.end();
  const second = await waiting;
  second.end();
  const third = await service(signal);
  third.end();
  const fourth = await service(signal);
  fourth.end();
  expect([second, third, fourth].map(({ isNext }) => isNext)).toEqual([false, false, true]);
});

test('where turns cannot be kept, nobody waits for one', async () => {
  const path = join(folder, 'unkept');
  mkdirSync(join(path, 'lock'), { recursive: true });
  const take = createTurns(path);
  expect((await take(signal)).isNext).toBe(true);
  expect((await take(signal)).isNext).toBe(true);
});

test('where only the note cannot be written, turns are taken and given back, and nothing is taken for known', async () => {
  const path = join(folder, 'unwritten');
  mkdirSync(join(path, 'last'), { recursive: true });
  const [take, other] = [createTurns(path), createTurns(path)];
  for (const each of [take, other, take]) {
    const turn = await each(signal);
    expect(turn.isNext).toBe(false);
    turn.end();
  }
});
