import { expect, test } from 'vitest';
import { linked, parseLinks } from './links.ts';

const base = 'https://ca.test/cert/1';

test.each<[string, string | undefined, string[]]>([
  ['none', undefined, []],
  ['one', '<https://ca.test/cert/2>;rel="alternate"', ['https://ca.test/cert/2']],
  ['a relative one', '</cert/2>; rel=alternate', ['https://ca.test/cert/2']],
  ['two lines joined', '<a>;rel="index", <b>;rel="alternate"', ['https://ca.test/cert/b']],
  ['several relations', '<b>; rel="up Alternate"', ['https://ca.test/cert/b']],
  ['commas within an address', '<https://ca.test/c?a=1,2;b>; rel="alternate"', ['https://ca.test/c?a=1,2;b']],
  ['commas within a title', '<b>; title="x, <y>; rel=\\"z\\""; rel=alternate, <c>;rel=up', ['https://ca.test/cert/b']],
  ['the first relation only', '<b>; rel=up; rel=alternate', []],
  ['the same twice', '<b>;rel=alternate,<b>;rel=alternate', ['https://ca.test/cert/b']],
  ['an address without brackets', 'b; rel=alternate', []],
  ['an end in the middle', '<b>; rel="alternate', []],
])('alternates of %s', (_, header, expected) => {
  expect(linked(parseLinks(header, base), 'alternate')).toEqual(expected);
});

test('a header of a million characters is read as far as it makes sense', () => {
  const header = '<b>;rel=alternate,'.repeat(100_000);
  expect(parseLinks(header, base)).toHaveLength(32);
});
