/** Tests of questions to resolvers and name servers. */
import { AcmeError } from '@certbus/acme';
import { startDnsServer as startAcmeDnsServer } from '@certbus/acme-server';
import { expect, onTestFinished, test } from 'vitest';
import { startDnsServer } from './dns-server.builders.ts';
import { openLookups } from './lookups.ts';
import { serversOf } from './name-servers.ts';
import { remembering } from './remember.ts';
import { startSilentServer } from './silent-server.builders.ts';

const never = new AbortController().signal;

test('every address of every name server counts, IPv6 in brackets', async () => {
  const hosts: Readonly<Record<string, readonly string[]>> = {
    'ns1.test': ['192.0.2.1', '192.0.2.2'],
    'ns2.test': ['2001:db8::1'],
  };
  const lookups = { nameServers: async () => Object.keys(hosts), addresses: async (host: string) => hosts[host] ?? [] };
  const servers = await serversOf('zone.test', lookups);
  expect(servers.map(({ address }) => address)).toEqual(['192.0.2.1:53', '192.0.2.2:53', '[2001:db8::1]:53']);
  expect(servers.map(({ title }) => title)).toContain('ns2.test ([2001:db8::1]:53)');
});

test('a resolver that does not answer is told, with what was asked', async () => {
  const silent = await startSilentServer();
  onTestFinished(() => silent.stop());
  const { cname } = openLookups({ servers: [silent.address], signal: never });
  await expect(cname('a.test')).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(
      /the CNAME of a\.test failed: the resolver 127\.0\.0\.1:\d+ does not answer \(ETIMEOUT\)/,
    ),
  });
});

test('what is not there yet is not remembered', async () => {
  const shown: string[] = [];
  const server = await startDnsServer({ zones: ['zone.test'], txt: () => shown });
  onTestFinished(() => server.stop());
  const { txt } = openLookups({ servers: [server.address], signal: never });
  expect(await txt('a.zone.test', server.address)).toEqual({ values: [] });
  shown.push('now');
  expect(await txt('a.zone.test', server.address)).toEqual({ values: ['now'] });
});

test('a name server without an address, or with one that cannot be looked up, is one that does not answer', async () => {
  const lookups = {
    nameServers: async () => ['ns1.test', 'ns2.test', 'ns3.test'],
    async addresses(host: string) {
      if (host === 'ns2.test') throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'SERVFAIL');
      return host === 'ns1.test' ? ['192.0.2.1'] : [];
    },
  };
  expect(await serversOf('zone.test', lookups)).toEqual([
    { title: 'ns1.test (192.0.2.1:53)', address: '192.0.2.1:53' },
    { title: 'ns2.test', address: undefined, trouble: 'has an address that cannot be looked up' },
    { title: 'ns3.test', address: undefined, trouble: 'has no address in DNS' },
  ]);
});

test('both families are asked for, and one that fails does not hide the other', async () => {
  const dns = await startAcmeDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  dns.add('ns.test', 'A', '192.0.2.1');
  dns.add('ns.test', 'AAAA', '2001:db8::1');
  const { addresses } = openLookups({ servers: [dns.address], signal: never });
  expect(await addresses('ns.test')).toEqual(['192.0.2.1', '2001:db8::1']);
  expect(await addresses('none.test')).toEqual([]);
  dns.fail('broken.test', 'SERVFAIL');
  await expect(addresses('broken.test')).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('answers with an error (ESERVFAIL)'),
  });
});

test('a lookup that failed is made again', async () => {
  let asked = 0;
  const look = remembering(async (name: string) => {
    asked += 1;
    if (asked === 1) throw new Error('SERVFAIL');
    return name;
  });
  await expect(look('a.test')).rejects.toThrow('SERVFAIL');
  expect([await look('a.test'), await look('a.test')]).toEqual(['a.test', 'a.test']);
  expect(asked).toBe(2);
});
