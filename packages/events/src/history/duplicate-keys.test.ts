import fc from 'fast-check';
import { expect, test } from 'vitest';
import { findDuplicateKey } from './duplicate-keys.ts';

test.each([
  ['{"a":1,"a":2}', 'a'],
  ['{"a":{"b":1,"c":[{"d":1,"d":2}]}}', 'd'],
  ['{"a":1 , "\\u0061" \n : 2}', 'a'],
  ['{"x\\"y":1,"x\\"y":2}', 'x"y'],
  [`{"a":1,"a"${' '.repeat(500)}:2}`, 'a'],
])('finds the key that stands twice in %s', (json, key) => {
  expect(findDuplicateKey(json)).toBe(key);
});

test.each(['{"a":{"a":1},"b":["a","a"]}', '[{"a":1},{"a":1}]', '"a"', '{"a":"\\\\","b":"\\\\\\""}', '{}'])(
  'finds none in %s',
  (json) => {
    expect(findDuplicateKey(json)).toBeUndefined();
  },
);

test('finds none in what JSON.stringify wrote, whatever it was', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.integer({ min: 0, max: 3 }), (json, space) => {
      expect(findDuplicateKey(JSON.stringify(JSON.parse(json), null, space))).toBeUndefined();
    }),
  );
});
