import { expect, test } from 'vitest';
import { candidatesOf, nameSetKey, normalizeName, normalizeNames, normalizeServerName } from './names.ts';

test.each([
  ['example.test', 'example.test'],
  ['WWW.Example.TEST', 'www.example.test'],
  ['example.test.', 'example.test'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['*.Bücher.example.', '*.xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['_acme.example.test', '_acme.example.test'],
])('%s becomes %s', (typed, name) => {
  expect(normalizeName(typed)).toBe(name);
});

test.each([
  '',
  '.',
  'a..b',
  '-a.test',
  'a-.test',
  'a b.test',
  'a_*.test',
  'www.*.test',
  '**.test',
  '*',
  '*.',
  'http://a.test',
  'a.test:443',
  'a.test/x',
  `${'a'.repeat(64)}.test`,
  `${'a.'.repeat(127)}toolong`,
  '127.0.0.1',
  '[::1]',
  'a\u0000.test',
  'a\n.test',
  '@.test',
  'a%41.test',
  'exa\u202emple.test\u0007',
])('%j is refused as no domain name', (typed) => {
  expect(() => normalizeName(typed)).toThrow(expect.objectContaining({ code: 'CERTBUS_EVENTS_NAME_INVALID' }));
});

test('names are sorted, without duplicates', () => {
  expect(normalizeNames(['www.a.test', 'A.test.', 'a.test'])).toEqual(['a.test', 'www.a.test']);
  expect(nameSetKey(['b.test', 'a.test'])).toBe(nameSetKey(['a.test', 'b.test']));
});

test('a server name is looked up as itself, then one wildcard level up', () => {
  expect(candidatesOf('a.b.test')).toEqual(['a.b.test', '*.b.test']);
  expect(candidatesOf('localhost')).toEqual(['localhost']);
  expect(normalizeServerName('H1.Bench.TEST.')).toBe('h1.bench.test');
  expect(normalizeServerName('*.bench.test')).toBeUndefined();
});
