import { expect, test } from 'vitest';
import { type Cached, createBoundedCache } from './bounded-cache.ts';

interface Named extends Cached {
  readonly name: string;
}

function newCache(size: number) {
  const disposed: string[] = [];
  const cache = createBoundedCache<Named>(size, ({ name }) => disposed.push(name));
  const add = (name: string) => cache.set(name, { name, isUsed: false });
  return { cache, disposed, add };
}

test('what was asked for once evicts nothing that was used again, however much of it comes', () => {
  const { cache, disposed, add } = newCache(100);
  const hot = Array.from({ length: 90 }, (_, n) => `hot ${n}`);
  for (const name of hot) add(name);
  for (const name of hot) cache.get(name);
  for (let n = 0; n < 20_000; n += 1) add(`once ${n}`);
  expect(cache.size).toBe(100);
  expect(hot.filter((name) => !cache.get(name))).toEqual([]);
  expect(disposed.every((name) => name.startsWith('once'))).toBe(true);
});

test('what is used no longer goes in the end, and what replaced it stays', () => {
  const { cache, add } = newCache(10);
  const [old, young] = ['old', 'young'].map((kind) => Array.from({ length: 10 }, (_, n) => `${kind} ${n}`));
  for (const name of [...(old ?? []), ...(young ?? [])]) {
    for (let times = 0; times < 3; times += 1) {
      if (!cache.get(name)) add(name);
    }
  }
  expect(young?.filter((name) => cache.get(name)).length).toBe(10);
  expect(old?.filter((name) => cache.get(name))).toEqual([]);
});

test('everything that leaves is disposed of once', () => {
  const { cache, disposed, add } = newCache(3);
  add('a');
  add('a');
  add('b');
  cache.delete('b');
  cache.delete('b');
  add('c');
  cache.get('a');
  expect(cache.values().map(({ name }) => name)).toEqual(['a', 'c']);
  cache.clear();
  expect(disposed).toEqual(['a', 'b', 'a', 'c']);
  expect(cache.size).toBe(0);
});

test('what was used more than once comes first, however much came behind it, and then the newest', () => {
  const { cache, add } = newCache(10);
  for (const name of ['hot', 'warm']) add(name);
  for (const name of ['hot', 'warm']) cache.get(name);
  for (let n = 0; n < 3; n += 1) add(`once ${n}`);
  const names = () => cache.values().map(({ name }) => name);
  expect(names()).toEqual(['warm', 'hot', 'once 2', 'once 1', 'once 0']);
  for (let n = 3; n < 20; n += 1) add(`once ${n}`);
  expect(names().slice(0, 3)).toEqual(['warm', 'hot', 'once 19']);
});

test('a cache of one entry holds the latest', () => {
  const { cache, add } = newCache(1);
  add('a');
  cache.get('a');
  add('b');
  expect([cache.get('a')?.name, cache.get('b')?.name]).toEqual([undefined, 'b']);
});

test.each([0, -1, 0.5, Number.NaN])('a size of %s keeps one entry', (size) => {
  const cache = createBoundedCache<{ isUsed: boolean }>(size);
  for (const key of ['a', 'b']) cache.set(key, { isUsed: false });
  expect([cache.get('a') === undefined, cache.get('b') !== undefined]).toEqual([true, true]);
});
