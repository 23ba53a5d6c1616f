import { expect, test } from 'vitest';
import { parseRetryAfter } from './retry-after.ts';

const now = new Date('2026-11-23T12:00:00Z');

test.each([
  ['120', '2026-11-23T12:02:00Z'],
  ['0', '2026-11-23T12:00:00Z'],
  ['Mon, 23 Nov 2026 13:00:00 GMT', '2026-11-23T13:00:00Z'],
  ['Mon, 23 Nov 2020 13:00:00 GMT', '2026-11-23T12:00:00Z'],
  ['122400', '2026-11-24T22:00:00Z'],
  // Beyond seven days, and beyond what a number can hold.
  ['99999999', '2026-11-30T12:00:00Z'],
  ['9'.repeat(400), '2026-11-30T12:00:00Z'],
])('Retry-After "%s" is %s', (header, expected) => {
  expect(parseRetryAfter(header, now)).toEqual(new Date(expected));
});

test.each([[undefined], [''], ['soon'], ['-5x']])('Retry-After %j says nothing', (header) => {
  expect(parseRetryAfter(header, now)).toBeUndefined();
});
