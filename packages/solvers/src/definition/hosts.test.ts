import * as v from 'valibot';
import { expect, test } from 'vitest';
import { httpUrl, nonEmpty, secret, serverAddress } from './fields.ts';
import { formatHost, hostOfUrl, hostsIn, parseHost } from './hosts.ts';

test.each([
  ['ns1.example.com', 'ns1.example.com', undefined],
  ['NS1.Example.COM.:8081', 'ns1.example.com', 8081],
  ['bücher.example', 'xn--bcher-kva.example', undefined],
  ['192.0.2.1:53', '192.0.2.1', 53],
  ['2001:db8::1', '[2001:db8::1]', undefined],
  ['[2001:DB8:0::1]:5353', '[2001:db8::1]', 5353],
])('%s is a host', (text, name, port) => {
  expect(parseHost(text)).toEqual({ name, port });
  expect(parseHost(formatHost({ name, port }))).toEqual({ name, port });
});

test.each([
  '',
  ' ',
  'a b',
  'https://a.test',
  'a.test/x',
  'user@a.test',
  'a.test#x',
  'a.test?x',
  'a\\b',
  'a:b',
  '[::1',
  'a:1:2',
])('"%s" is not a host', (text) => expect(parseHost(text)).toBeUndefined());

test.each([
  ['https://a.test', 'a.test:443'],
  ['http://A.test/path', 'a.test:80'],
  ['https://a.test.:8081/', 'a.test:8081'],
  ['https://[2001:db8::1]/x', '[2001:db8::1]:443'],
  ['https://a.test\\@b.test', 'a.test:443'],
])('the host of %s is %s', (url, host) => expect(hostOfUrl(url)).toBe(host));

test('every address of settings is found by its schema, at any depth', () => {
  const schema = v.pipe(
    v.strictObject({
      url: httpUrl,
      other: v.optional(v.pipe(httpUrl, v.startsWith('https:'))),
      server: serverAddress,
      text: nonEmpty,
      key: secret,
      either: v.optional(v.union([v.literal('none'), v.strictObject({ at: httpUrl }), httpUrl])),
      named: v.optional(v.record(v.string(), httpUrl)),
      list: v.optional(v.pipe(v.array(v.strictObject({ url: httpUrl })), v.nonEmpty())),
    }),
    v.check(() => true),
  );
  const settings = { url: 'https://a.test', server: 'B.test', text: 'https://text.test', key: 'https://secret.test' };
  expect(hostsIn(schema, settings)).toEqual(['a.test:443', 'b.test:53']);
  const more = {
    ...settings,
    other: 'https://c.test:8443',
    list: [{ url: 'http://d.test' }, { url: 'http://e.test' }],
  };
  expect(hostsIn(schema, more)).toEqual(['a.test:443', 'c.test:8443', 'b.test:53', 'd.test:80', 'e.test:80']);
  for (const either of ['https://f.test', { at: 'https://f.test' }])
    expect(hostsIn(schema, { ...settings, either })).toEqual(['a.test:443', 'b.test:53', 'f.test:443']);
  expect(hostsIn(schema, { ...settings, either: 'none' })).toEqual(['a.test:443', 'b.test:53']);
  expect(hostsIn(schema, { ...settings, named: { one: 'https://g.test' } })).toContain('g.test:443');
  expect(hostsIn(schema, { ...settings, server: 'no server/at all' })).toEqual(['a.test:443', 'no server/at all']);
});
