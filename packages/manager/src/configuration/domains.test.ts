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
  ['not a domain', 'a.test', false],
])('the zone %j and the name %s', (zone, name, isFitting) => {
  expect(settingsFor(zone, name) !== undefined).toBe(isFitting);
});
