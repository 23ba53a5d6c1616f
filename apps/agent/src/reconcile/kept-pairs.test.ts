import { EventEmitter } from 'node:events';
import type { MaterialEvents, MaterialSource } from '@certbus/client/material';
import { expect, test } from 'vitest';
import type { Pair } from '../pairs/pair.ts';
import { keptPairsOf } from './kept-pairs.ts';

const NOW = new Date('2030-06-01T00:00:00Z');
const later = (ms: number) => new Date(NOW.getTime() + ms);

const pairOf = (certificateId: string, leafHash = 'leaf', bytes = 1_000): Pair => ({
  ...{ certificateId, leafHash },
  names: [`${certificateId}.test`],
  notAfter: later(1_000),
  chain: [new Uint8Array(bytes)],
  key: new Uint8Array(100),
});

function create() {
  const emitter = new EventEmitter<MaterialEvents>();
  const source = { on: emitter.on.bind(emitter) as unknown as MaterialSource['on'] };
  return { emitter, pairs: keptPairsOf(source), source };
}

test('a pair is kept for the leaf that it is of, while it ranks first and is valid', () => {
  const { pairs, source } = create();
  const [first, second] = [pairOf('first'), pairOf('second')];
  pairs.keep(first, { now: NOW, until: undefined });
  pairs.keep(second, { now: NOW, until: later(500) });
  expect(pairs.get(first, later(999))).toBe(first);
  expect(keptPairsOf(source).get(first, NOW)).toBe(first);
  expect(pairs.get(second, later(499))).toBe(second);
  expect(pairs.get(second, later(500))).toBeUndefined();
  expect(pairs.get({ ...first, leafHash: 'renewed' }, NOW)).toBeUndefined();
  for (const at of [later(1_000), later(-1)]) {
    pairs.keep(first, { now: NOW, until: undefined });
    expect(pairs.get(first, at)).toBeUndefined();
  }
});

test('what changed on the bus is opened once more', () => {
  const { pairs, emitter } = create();
  const kept = ['a', 'b', 'c'].map((id) => pairOf(id));
  for (const pair of kept) pairs.keep(pair, { now: NOW, until: undefined });
  const held = () => kept.filter((pair) => pairs.get(pair, NOW)).map(({ certificateId }) => certificateId);
  emitter.emit('changed', { certificateId: 'b', names: [], removed: false });
  expect(held()).toEqual(['a', 'c']);
  emitter.emit('rebuilt');
  expect(held()).toEqual([]);
});

test('they take 16 MB at most, and room that comes free is used', () => {
  const { pairs, emitter } = create();
  const large = Array.from({ length: 5 }, (_, n) => pairOf(`p${n}`, 'leaf', 3_999_000 - 500));
  for (const pair of large) pairs.keep(pair, { now: NOW, until: undefined });
  const [first, second, , , last] = large;
  if (!first || !second || !last) throw new Error('there are five');
  expect(large.map((pair) => pairs.get(pair, NOW) !== undefined)).toEqual([true, true, true, true, false]);
  emitter.emit('changed', { certificateId: 'p0', names: [], removed: true });
  pairs.keep(last, { now: NOW, until: undefined });
  expect([first, second, last].map((pair) => pairs.get(pair, NOW) !== undefined)).toEqual([false, true, true]);
});
