/** Whom a private key is sealed to, by the lists that the bus had over time. */
import { describe, expect, test } from 'vitest';
import { openersOf } from './root-history.ts';

const named = (...names: string[]) => names.map((name) => ({ name, recipient: `age1${name}` }));
const recipients = [
  { position: 1, recipients: named('edge', 'backup') },
  { position: 5, recipients: named('edge', 'backup', 'second') },
  { position: 9, recipients: named('backup', 'second') },
];
const by = 'keyId';

describe('given three lists of recipients', () => {
  test.each([
    ['of an order before the second', { origin: { position: 4, by, recipientsPosition: 1 } }, ['edge', 'backup']],
    [
      'whose order was made before the third, and ended behind it',
      { origin: { position: 12, by, recipientsPosition: 5 } },
      ['edge', 'backup', 'second'],
    ],
    ['of an order behind the third', { origin: { position: 12, by, recipientsPosition: 9 } }, ['backup', 'second']],
    [
      'that was sealed again: also those of before',
      { origin: { position: 6, by, recipientsPosition: 5, isResealed: true } },
      ['edge', 'backup', 'second'],
    ],
    [
      'that was imported behind the second',
      { origin: { position: 7, by }, importedAt: '2027-01-31T12:00:00.000Z' },
      ['edge', 'backup', 'second'],
    ],
    ['of which the bus does not say whom it was sealed to', { origin: { position: 7, by } }, undefined],
    ['whose list is not known', { origin: { position: 7, by, recipientsPosition: 3 } }, undefined],
    ['whose commits were not at hand', {}, undefined],
  ] as const)('a key %s opens for %s', (_, issued, expected) => {
    expect(openersOf(issued, { recipients })).toEqual(expected);
  });
});
