/** What a user probably meant by an id or a name that fits nothing. */
import { expect, test } from 'vitest';
import { begunBy } from './did-you-mean.ts';

const KNOWN = ['LKYwLsZwj1k', 'shop.test', 'www.shop.test', 'LKYxxxxxxxx'];

test.each([
  ['LKYw', ['LKYwLsZwj1k']],
  ['LKY', ['LKYwLsZwj1k', 'LKYxxxxxxxx']],
  ['LK', []],
  ['www.', ['www.shop.test']],
  [' LKYwLsZwj1k ', ['LKYwLsZwj1k']],
  ['shpo.test', ['shop.test']],
])('"%s" was probably %j', (typed, expected) => {
  expect(begunBy(typed, KNOWN)).toEqual(expected);
});
