import { expect, test } from 'vitest';
import { isSelected, type Selection } from './selection.ts';

const certificate = { certificateId: 'one', names: ['a.test', '*.b.test', '2001:db8::1', '192.0.2.1'] };

test.each<[string, boolean, Selection]>([
  ['all where nothing is said', true, {}],
  ['one by its id', true, { ids: ['two', 'one'] }],
  ['not one by the id of another', false, { ids: ['two'] }],
  ['none by an empty list', false, { ids: [] }],
  ['one by a name', true, { names: ['a.test'] }],
  ['a wildcard by itself', true, { names: ['*.b.test'] }],
  ['not a name below the wildcard by its name', false, { names: ['x.b.test'] }],
  ['every name below a pattern', true, { names: ['*.test'] }],
  ['not the name that a pattern is below of', false, { names: ['*.a.test'] }],
  ['not a name that ends in the same letters', false, { names: ['*.est'] }],
  ['an address by itself', true, { names: ['192.0.2.1'] }],
  ['not an address by a pattern', false, { names: ['*.2.1'] }],
  ['one that an id or a name fits', true, { ids: ['two'], names: ['a.test'] }],
])('takes %s', (_, expected, selection) => {
  expect(isSelected(certificate, selection)).toBe(expected);
});
