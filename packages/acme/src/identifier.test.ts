import { expect, test } from 'vitest';
import { identifierOf } from './identifier.ts';

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
