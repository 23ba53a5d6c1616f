/** Tests that domains of the configuration fit names, however people write them. */
import { expect, test } from 'vitest';
import { dnsSettingsFor } from '../issuance/solvers.ts';
import { parseConfiguration } from './configuration.ts';

const settingsFor = (zone: string, name: string) =>
  dnsSettingsFor(
    parseConfiguration({
      version: 1,
      authorities: { ca: { directory: 'https://ca.test/dir', termsOfServiceAgreed: true } },
      defaultAuthority: 'ca',
      dns: [{ zones: [zone], provider: 'challtestsrv', url: 'http://127.0.0.1:1' }],
    }),
    name,
  );

test.each([
  ['Example.TEST', 'a.example.test', true],
  // As DNS consoles show it.
  ['example.test.', '*.example.test', true],
  ['bücher.test', 'www.xn--bcher-kva.test', true],
  ['*', 'a.test', true],
  ['example.test', 'otherexample.test', false],
  ['163.test.', 'a.163.test', true],
  ['_acme.example.test', 'a._acme.example.test', true],
  ['lan', 'a.lan', true],
])('the zone %j and the name %s', (zone, name, isFitting) => {
  expect(settingsFor(zone, name) !== undefined).toBe(isFitting);
});

test.each(['*.example.test', ' example.test', 'not a domain', 'https://example.test', 'example..test', '.'])(
  '%j, in which no name is, is refused before the first order',
  (zone) => {
    expect(() => settingsFor(zone, 'a.example.test')).toThrow(/dns\.0\.zones\.0 must be a domain such as example\.com/);
  },
);
