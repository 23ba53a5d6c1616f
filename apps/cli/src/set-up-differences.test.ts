/** What a second `certbus init` finds to differ. */
import { expect, test } from 'vitest';
import { differencesFrom } from './set-up-differences.ts';

const found = {
  bus: 'sqlite:/srv/bus.db#certbus',
  name: 'manager1',
  configuration: {
    version: 1,
    authorities: { ca: { directory: 'https://ca.test/directory', contact: ['mailto:ops@shop.test'] } },
    defaultAuthority: 'ca',
    dns: [{ provider: 'rfc2136', server: 'ns1.shop.test', zones: ['shop.test'], key: { name: 'certbus' } }],
    http01: { answer: 'clients', port: 5002 },
  },
};

test('flags that say what is there differ in nothing', () => {
  const given = {
    bus: found.bus,
    directory: 'https://ca.test/directory',
    contact: ['ops@shop.test'],
    'dns-provider': 'rfc2136',
    'dns-server': 'ns1.shop.test',
    zone: ['shop.test'],
    'http01-port': 5002,
    dir: '/srv',
    'agree-tos': true,
  };
  expect(differencesFrom(found, given)).toEqual([]);
  expect(differencesFrom(found, {})).toEqual([]);
});

test.each([
  ['bus', 'sqlite:/srv/other.db#certbus', found.bus],
  ['directory', 'https://other.test/directory', 'https://ca.test/directory'],
  ['dns-provider', 'route53', 'rfc2136'],
  ['dns-server', 'ns2.shop.test', 'ns1.shop.test'],
  ['http01-port', 80, '5002'],
  ['tls-alpn01-port', 5001, 'nothing'],
  ['name', 'other', 'manager1'],
])('--%s %s is not what is there', (flag, given, there) => {
  expect(differencesFrom(found, { [flag]: given })).toContainEqual({ flag, given: String(given), found: there });
});

test('lists are compared whole', () => {
  const given = { zone: ['shop.test', 'other.test'], contact: ['a@shop.test', 'b@shop.test'] };
  expect(differencesFrom(found, given)).toEqual([
    { flag: 'contact', given: 'a@shop.test, b@shop.test', found: 'ops@shop.test' },
    { flag: 'zone', given: 'shop.test, other.test', found: 'shop.test' },
  ]);
});

test('a list without anything in it is called nothing', () => {
  const authorities = { ca: { directory: 'https://ca.test/directory', contact: [] } };
  const configuration = { ...found.configuration, authorities };
  expect(differencesFrom({ ...found, configuration }, { contact: ['a@shop.test'] })).toEqual([
    { flag: 'contact', given: 'a@shop.test', found: 'nothing' },
  ]);
});

test('a configuration that cannot be read is not compared', () => {
  expect(differencesFrom({ ...found, configuration: undefined }, { directory: 'x', bus: 'y' })).toEqual([
    { flag: 'bus', given: 'y', found: found.bus },
  ]);
});
