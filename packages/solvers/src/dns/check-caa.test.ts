import { caaRecordsFor, checkCaa, readDirectory } from '@certbus/acme';
import { type CaaValue, startDnsServer } from '@certbus/acme-server';
import { expect, test } from 'vitest';
import { createChallTestSrvSolver } from '../providers/challtestsrv/solver.ts';
import { obtainFor, startRegistered } from '../tests/strict-ca.builders.ts';
import { createDnsView } from './dns-view.ts';

const ACCOUNT = 'ACCOUNT';

test.each<[string, string, readonly CaaValue[], 'allowed' | 'forbidden']>([
  ['no records', 'a.test', [], 'allowed'],
  ['this CA', 'a.test', [{ tag: 'issue', value: 'ca.test' }], 'allowed'],
  ['another CA', 'a.test', [{ tag: 'issue', value: 'other.test' }], 'forbidden'],
  ['another CA, further up', 'www.a.test', [{ tag: 'issue', value: 'other.test' }], 'forbidden'],
  ['nobody', 'a.test', [{ tag: 'issue', value: ';' }], 'forbidden'],
  [
    'this CA, but for wildcards',
    '*.a.test',
    [
      { tag: 'issue', value: 'ca.test' },
      { tag: 'issuewild', value: ';' },
    ],
    'forbidden',
  ],
  [
    'this CA, for wildcards alone',
    '*.a.test',
    [
      { tag: 'issue', value: ';' },
      { tag: 'issuewild', value: 'ca.test' },
    ],
    'allowed',
  ],
  ['this account', 'a.test', [{ tag: 'issue', value: `ca.test; accounturi=${ACCOUNT}` }], 'allowed'],
  ['another account', 'a.test', [{ tag: 'issue', value: `ca.test; accounturi=${ACCOUNT}5` }], 'forbidden'],
  ['dns-01', 'a.test', [{ tag: 'issue', value: 'ca.test; validationmethods=http-01,dns-01' }], 'allowed'],
  ['http-01 alone', 'a.test', [{ tag: 'issue', value: 'ca.test; validationmethods=http-01' }], 'forbidden'],
  ['a critical property that nobody knows', 'a.test', [{ flags: 128, tag: 'tbs', value: 'x' }], 'forbidden'],
])('where CAA names %s, the CA does what was foreseen', async (_, name, records, expected) => {
  await using dns = await startDnsServer();
  const registered = await startRegistered({ validation: { dnsServer: dns.address, checkCaa: true } });
  const { ca, accountUrl, signal } = registered;
  for (const { value, ...record } of records)
    dns.add('a.test', 'CAA', { ...record, value: value.replace(ACCOUNT, accountUrl) });
  const { caaIdentities: issuers } = await readDirectory(ca, { signal });
  const resolver = createDnsView({ resolvers: [dns.address] }).caa;
  const { verdict } = await checkCaa(name, { issuers, accountUrl, challengeType: 'dns-01', resolver, signal });
  expect(verdict).toBe(expected);
  const solver = createChallTestSrvSolver({ url: dns.url });
  const outcome = await obtainFor(registered, [name], solver).then(
    () => 'allowed',
    (error: { problem?: { type: string } }) => (error.problem?.type.endsWith(':caa') ? 'forbidden' : error),
  );
  expect(outcome).toBe(expected);
});

test('with the records that are printed, a CA issues', async () => {
  await using dns = await startDnsServer();
  const registered = await startRegistered({ validation: { dnsServer: dns.address, checkCaa: true } });
  const { accountUrl } = registered;
  const names = ['*.a.test', 'a.test', '*.b.test'];
  for (const line of caaRecordsFor(names, { issuer: 'ca.test', accountUrl, challengeTypes: ['dns-01'] })) {
    const [, name = '', tag = '', value = ''] = /^(\S+)\. IN CAA 0 (\w+) "(.*)"$/.exec(line) ?? [];
    dns.add(name, 'CAA', { tag, value });
  }
  await obtainFor(registered, names, createChallTestSrvSolver({ url: dns.url }));
});
