/** Tests of what layers add to what a replica has of the limits of CAs. */
import { expect, test } from 'vitest';
import { createSpendingLayer } from './spending.ts';

const AT = Date.parse('2026-11-24T03:00:00Z');
const STRETCH = { since: new Date(AT - 1), until: new Date(AT + 1) };

test('what the replica has taken meanwhile is counted once', () => {
  const layer = createSpendingLayer();
  layer.add([{ key: 'orders', at: AT, count: 1 }], 5);
  layer.add([{ key: 'orders', at: undefined, count: 2 }], 6);
  const before = { position: 4, held: 0, spent: [] };
  expect(layer.on(before, 'orders', STRETCH)).toEqual({ ...before, held: 2, spent: [{ at: AT, count: 1 }] });
  const meanwhile = { position: 5, held: 0, spent: [{ at: AT, count: 1 }] };
  expect(layer.on(meanwhile, 'orders', STRETCH)).toEqual({ ...meanwhile, held: 2 });
  const all = { position: 6, held: 2, spent: [{ at: AT, count: 1 }] };
  expect(layer.on(all, 'orders', STRETCH)).toEqual(all);
});
