import { expect, test } from 'vitest';
import { identifierOf, reverseNameOf } from './identifier.ts';

test.each([
  ['shop.example.com', 'dns', 'shop.example.com'],
  ['*.Example.COM', 'dns', '*.example.com'],
  ['abc', 'dns', 'abc'],
  ['192.0.2.7', 'ip', '192.0.2.7'],
  ['2001:DB8:0:0:0:0:0:1', 'ip', '2001:db8::1'],
  ['::ffff:192.0.2.7', 'ip', '::ffff:c000:207'],
])('%s is ordered as %s %s', (name, type, value) => {
  expect(identifierOf(name)).toEqual({ type, value });
});

test.each([
  ['192.0.2.7', '7.2.0.192.in-addr.arpa'],
  ['2001:db8::1', '1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa'],
  ['::1', `1.${'0.'.repeat(31)}ip6.arpa`],
  ['fe80::', `${'0.'.repeat(28)}0.8.e.f.ip6.arpa`],
])('the server name of %s is %s', (address, name) => {
  expect(reverseNameOf(address)).toBe(name);
});
