import { expect, test } from 'vitest';
import {
  candidatesOf,
  isAddress,
  nameSetKey,
  normalizeAddress,
  normalizeName,
  normalizeNames,
  normalizeServerName,
  reverseNameOf,
} from './names.ts';

test.each([
  ['example.test', 'example.test'],
  ['WWW.Example.TEST', 'www.example.test'],
  ['example.test.', 'example.test'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['*.Bücher.example.', '*.xn--bcher-kva.example'],
  ['XN--BCHER-KVA.example', 'xn--bcher-kva.example'],
  ['_acme.example.test', '_acme.example.test'],
  ['192.0.2.7', '192.0.2.7'],
  [' 2001:DB8:0::1 ', '2001:db8::1'],
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
  '127.0.0.256',
  '127.1',
  '*.127.0.0.1',
  '[::1]',
  'a\u0000.test',
  'a\n.test',
  '@.test',
  'a%41.test',
  'exa\u202emple.test\u0007',
])('%j is refused as neither a domain name nor an address', (typed) => {
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

test.each([
  ['192.0.2.7', '192.0.2.7', '7.2.0.192.in-addr.arpa'],
  ['2001:DB8:0:0:0:0:0:1', '2001:db8::1', `1.${'0.'.repeat(23)}8.b.d.0.1.0.0.2.ip6.arpa`],
  ['::', '::', `${'0.'.repeat(32)}ip6.arpa`],
  ['::1', '::1', `1.${'0.'.repeat(31)}ip6.arpa`],
  ['fe80::', 'fe80::', `${'0.'.repeat(28)}0.8.e.f.ip6.arpa`],
  ['::ffff:192.0.2.7', '::ffff:c000:207', `7.0.2.0.0.0.0.c.f.f.f.f.${'0.'.repeat(20)}ip6.arpa`],
])('the address %s is written %s, and its reverse name is %s', (typed, address, reverse) => {
  expect(normalizeAddress(typed)).toBe(address);
  expect(isAddress(address)).toBe(true);
  expect(reverseNameOf(address)).toBe(reverse);
});

test.each([
  '',
  '127.1',
  '0x7f.0.0.1',
  '010.0.0.1',
  '1.2.3.256',
  '1.2.3.4.5',
  '1.2.3.4.',
  '[::1]',
  '::1%eth0',
  'fe80:::',
  'a.test',
  '1:2',
])('%j is no address', (typed) => {
  expect(normalizeAddress(typed)).toBeUndefined();
});

test.each([
  ['a-.bench.test', 'a-.bench.test'],
  ['-A.bench.test', '-a.bench.test'],
  ['a_b.bench.test.', 'a_b.bench.test'],
  ['192.0.2.7', '192.0.2.7'],
  ['2001:DB8:0::7', '2001:db8::7'],
  ['::ffff:192.0.2.7', '::ffff:c000:207'],
  ['[::1]', undefined],
  ['fe80::1%eth0', undefined],
  ['127.1', undefined],
  ['', undefined],
  ['a..test', undefined],
])('a client that types %s as server name is looked up as %s', (typed, name) => {
  expect(normalizeServerName(typed)).toBe(name);
});
