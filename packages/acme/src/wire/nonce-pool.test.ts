import { expect, test } from 'vitest';
import { createNoncePool } from './nonce-pool.ts';

let clock = 0;
const now = () => new Date(clock);

test('a nonce is given out once, the youngest first', () => {
  const pool = createNoncePool(now);
  pool.put('one');
  pool.put('two');
  expect(pool.take()?.value).toBe('two');
  expect(pool.take()?.value).toBe('one');
  expect(pool.take()).toBeUndefined();
});

test('a nonce that a CA says twice is given out once', () => {
  const pool = createNoncePool(now);
  pool.put('twice');
  expect(pool.take()?.value).toBe('twice');
  pool.put('twice');
  expect(pool.take()).toBeUndefined();
});

test('at most 64 are kept, the oldest go', () => {
  const pool = createNoncePool(now);
  for (let i = 0; i < 100; i += 1) pool.put(`nonce-${i}`);
  const taken = Array.from({ length: 100 }, () => pool.take()?.value).filter((value) => value !== undefined);
  expect(taken).toHaveLength(64);
  expect(taken.at(-1)).toBe('nonce-36');
});

test('a nonce older than ten minutes is not used', () => {
  const pool = createNoncePool(now);
  pool.put('old');
  clock += 600_001;
  expect(pool.take()).toBeUndefined();
});

test('with a refused nonce go all that came before it', () => {
  const pool = createNoncePool(now);
  pool.put('first');
  pool.put('second');
  const refused = pool.take();
  pool.put('third');
  if (refused) pool.discard(refused);
  expect(pool.take()?.value).toBe('third');
  expect(pool.take()).toBeUndefined();
});

test.each([[undefined], [''], ['with space'], ['line\nbreak'], ['plus+']])('%j is no nonce', (value) => {
  const pool = createNoncePool(now);
  pool.put(value);
  expect(pool.take()).toBeUndefined();
});
