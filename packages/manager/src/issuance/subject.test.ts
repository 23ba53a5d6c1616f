/** Tests of which names a certificate can be made for. */
import { expect, test } from 'vitest';
import { parseSubject } from './subject.ts';

test('names come back in their one form, sorted, without duplicates', () => {
  expect(parseSubject(['WWW.Example.test.', 'bücher.test', 'www.example.test'], 'dns-01')).toEqual([
    'www.example.test',
    'xn--bcher-kva.test',
  ]);
});

test.each([
  [['not a name'], 'dns-01', /is not a domain name/],
  [['foo_bar.test'], 'dns-01', /underscore/],
  [['com'], 'dns-01', /public suffix/],
  [['*.co.uk'], 'dns-01', /public suffix/],
  [['github.io'], 'dns-01', /public suffix/],
  [['*.a.test'], 'http-01', /only dns-01/],
  [['*.a.test', 'www.a.test'], 'dns-01', /covered by "\*\.a\.test"/],
  [['127.0.0.1'], 'dns-01', /IP address, which only http-01 and tls-alpn-01/],
  [['a.test', '2001:db8::1'], 'dns-01', /"2001:db8::1" is an IP address/],
  [['*.127.0.0.1'], 'dns-01', /is not a domain name/],
  [['[::1]'], 'http-01', /has no brackets/],
  [[], 'dns-01', /at least one/],
  [Array.from({ length: 101 }, (_, n) => `n${n}.test`), 'dns-01', /takes 100/],
] as const)('%j with %s is refused with the reason', (names, challengeType, reason) => {
  expect(() => parseSubject(names, challengeType)).toThrow(reason);
  expect(() => parseSubject(names, challengeType)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_MANAGER_NAME_REFUSED' }),
  );
});

test('a wildcard and its parent domain go together', () => {
  expect(parseSubject(['*.a.test', 'a.test'], 'dns-01')).toEqual(['*.a.test', 'a.test']);
});

test('IP addresses come back in their one form, beside names', () => {
  const typed = ['2001:DB8:0:0::1', '2001:db8::1', '192.0.2.7', 'a.test'];
  expect(parseSubject(typed, 'http-01')).toEqual(['192.0.2.7', '2001:db8::1', 'a.test']);
  expect(parseSubject(['192.0.2.7'], 'tls-alpn-01')).toEqual(['192.0.2.7']);
});
