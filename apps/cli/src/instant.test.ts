/** Instants that a user typed: what is read, and what is refused. */
import { expect, test } from 'vitest';
import { parseInstant } from './instant.ts';

test.each([
  ['2027-01-31', '2027-01-31T00:00:00.000Z'],
  ['2028-02-29', '2028-02-29T00:00:00.000Z'],
  ['2027-01-31T03:00Z', '2027-01-31T03:00:00.000Z'],
  ['2027-01-31 03:00:00Z', '2027-01-31T03:00:00.000Z'],
  ['2027-01-31T03:00:00.5+01:00', '2027-01-31T02:00:00.500Z'],
])('%s is an instant', (text, expected) => {
  expect(parseInstant(text).toISOString()).toBe(expected);
});

test.each([
  '60',
  '',
  ' ',
  '2027',
  '2027-01',
  '2027-02-31',
  '2027-02-29',
  '2027-13-01',
  '2027-00-10',
  '01/02/2027',
  '1 Feb 2027',
  '+002027-01-31',
  '2027-01-31T03:00',
  '2027-01-31T25:00Z',
  '2027-02-31T00:00:00Z',
  'tomorrow',
])('"%s" is refused', (text) => {
  expect(() => parseInstant(text)).toThrow(expect.objectContaining({ code: 'CERTBUS_CLI_USAGE' }));
});
