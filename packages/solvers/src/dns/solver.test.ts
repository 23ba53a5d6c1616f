import { AcmeError } from '@certbus/acme';
import { startDnsServer as startAcmeDnsServer } from '@certbus/acme-server';
import { expect, onTestFinished, test } from 'vitest';
import { drawChallenge } from '../conformance/subject.ts';
import { startDnsServer } from './dns-server.builders.ts';
import type { DnsOptions } from './options.ts';
import { createDnsSolver, type DnsHost, type ZoneValues } from './solver.ts';
import { zoneInDns } from './zone-of.ts';

const { signal } = new AbortController();

/** A host in memory whose name servers show what it has, and the changes that it was asked for. */
async function setUp(change: (host: DnsHost) => Partial<DnsHost> = () => ({})) {
  const values = new Map<string, string[]>();
  const aliases = new Map<string, string>();
  const dns = await startDnsServer({
    zones: ['zone.test', 'other.test'],
    aliases,
    txt: (name) => values.get(name) ?? [],
  });
  onTestFinished(() => dns.stop());
  const asked: { readonly action: string; readonly values: ZoneValues }[] = [];
  const at = (name: string) => values.get(name) ?? [];
  const host: DnsHost = {
    id: `memory ${dns.address}`,
    findZones:
      ({ lookups }) =>
      (name) =>
        zoneInDns(name, lookups),
    async add(added) {
      asked.push({ action: 'add', values: added });
      for (const { name, values: own } of added.sets) values.set(name, [...new Set([...at(name), ...own])]);
    },
    async remove(removed) {
      asked.push({ action: 'remove', values: removed });
      for (const { name, values: own } of removed.sets) {
        values.set(
          name,
          at(name).filter((value) => !own.includes(value)),
        );
      }
    },
  };
  const open = () =>
    createDnsSolver({ ...host, ...change(host) }, { resolver: [dns.address], nameServerPort: dns.port });
  return { open, values, aliases, asked };
}

test('the answers of an order are one change for each zone, and one set for each name', async () => {
  const { open, aliases, asked } = await setUp();
  const [apex, wildcard, aliased, far] = [
    drawChallenge('zone.test'),
    drawChallenge('Zone.test'),
    drawChallenge('www.zone.test'),
    drawChallenge('far.zone.test'),
  ];
  aliases.set(aliased.dnsName, '_acme-challenge.zone.test');
  aliases.set(far.dnsName, 'far.other.test');
  await open().present([apex, wildcard, aliased, far], { signal });
  const challenges = [apex, wildcard, aliased];
  const values = challenges.map(({ dnsValue }) => dnsValue);
  expect(asked.map(({ values: each }) => each)).toEqual([
    { zone: 'zone.test', sets: [{ zone: 'zone.test', name: '_acme-challenge.zone.test', values, challenges }] },
    {
      zone: 'other.test',
      sets: [{ zone: 'other.test', name: 'far.other.test', values: [far.dnsValue], challenges: [far] }],
    },
  ]);
});

test('a value that two orders share goes when the second is done', async () => {
  const { open, values } = await setUp();
  const shared = drawChallenge('zone.test');
  const again = { ...shared };
  const [one, other] = [open(), open()];
  await one.present([shared], { signal });
  await other.present([again], { signal });
  await one.cleanUp([shared], { signal });
  await one.cleanUp([shared], { signal });
  expect(values.get(shared.dnsName)).toEqual([shared.dnsValue]);
  await other.cleanUp([again], { signal });
  expect(values.get(shared.dnsName)).toEqual([]);
});

test('what got lost is added again where a host is racy, and only what was presented', async () => {
  const { open, values, asked } = await setUp(() => ({ isRacy: true }));
  const [mine, foreign] = [drawChallenge('zone.test'), drawChallenge('zone.test')];
  const solver = open();
  await solver.present([mine], { signal });
  values.clear();
  await solver.ready([mine], { signal });
  expect(values.get(mine.dnsName)).toEqual([mine.dnsValue]);
  const short = AbortSignal.timeout(1000);
  await expect(solver.ready([foreign], { signal: short })).rejects.toMatchObject({ name: 'TimeoutError' });
  expect(asked).toHaveLength(2);
});

test('changes of one name are made one after another, whichever solver makes them', async () => {
  let inside = 0;
  let most = 0;
  const { open } = await setUp((host) => ({
    async add(values, options) {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await host.add(values, options);
      inside -= 1;
    },
  }));
  await Promise.all(Array.from({ length: 8 }, () => open().present([drawChallenge('zone.test')], { signal })));
  expect(most).toBe(1);
});

/** An in-memory host of one zone, and a DNS server that makes things up. */
async function setUpMadeUp(options: DnsOptions = {}) {
  const dns = await startAcmeDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const port = Number(dns.address.split(':')[1]);
  dns.set('zone.test', 'SOA', [{ mname: 'ns1.zone.test', rname: 'admin.zone.test' }]);
  dns.set('zone.test', 'NS', ['ns1.zone.test']);
  dns.set('ns1.zone.test', 'A', ['127.0.0.1']);
  const zones: string[] = [];
  const change = async ({ zone, sets }: ZoneValues, act: 'add' | 'remove') => {
    zones.push(zone);
    for (const { name, values } of sets) for (const value of values) dns[act](name, 'TXT', value);
  };
  const host: DnsHost = {
    id: `made up ${dns.address}`,
    findZones:
      ({ lookups }) =>
      (name) =>
        zoneInDns(name, lookups),
    add: (values) => change(values, 'add'),
    remove: (values) => change(values, 'remove'),
  };
  const solver = createDnsSolver(host, { resolver: [dns.address], nameServerPort: port, ...options });
  return { dns, solver, zones };
}

test('a wildcard CNAME that covers the challenge is no delegation: the answer goes to the name itself, and away', async () => {
  const { dns, solver, zones } = await setUpMadeUp();
  dns.set('*.zone.test', 'CNAME', ['lb.hoster.test']);
  dns.makeUp('zone.test', 'SOA', [{ mname: 'ns1.zone.test', rname: 'admin.zone.test' }]);
  const challenges = [drawChallenge('zone.test'), drawChallenge('www.zone.test')];
  await solver.present(challenges, { signal });
  await solver.ready(challenges, { signal });
  for (const { dnsName, dnsValue } of challenges) expect(dns.get(dnsName, 'TXT')).toEqual([dnsValue]);
  await solver.cleanUp(challenges, { signal });
  for (const { dnsName } of challenges) expect(dns.get(dnsName, 'TXT')).toEqual([]);
  expect(zones).toEqual(['zone.test', 'zone.test']);
});

test('a zone that is not found is reported with every alias on the way', async () => {
  const { dns, solver } = await setUpMadeUp();
  const mine = drawChallenge('zone.test');
  dns.add(mine.dnsName, 'CNAME', 'hop.zone.test');
  dns.add('hop.zone.test', 'CNAME', 'lb.hoster.invalid');
  await expect(solver.present([mine], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringContaining('_acme-challenge.zone.test -> hop.zone.test -> lb.hoster.invalid'),
  });
});

test('with aliases turned off the answer goes to the name itself', async () => {
  const { dns, solver } = await setUpMadeUp({ followAliases: false, nameServers: false });
  const mine = drawChallenge('zone.test');
  dns.add(mine.dnsName, 'CNAME', 'lb.hoster.invalid');
  await solver.present([mine], { signal });
  await solver.ready([mine], { signal });
  expect(dns.get(mine.dnsName, 'TXT')).toEqual([mine.dnsValue]);
});

test('what a host refuses is reported with the way to the name', async () => {
  const { open, aliases } = await setUp(() => ({
    add: () => Promise.reject(new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'The host refuses it.')),
  }));
  const mine = drawChallenge('www.zone.test');
  aliases.set(mine.dnsName, 'far.other.test');
  await expect(open().present([mine], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining(
      'The host refuses it. CNAMEs lead there: _acme-challenge.www.zone.test -> far.other.test',
    ),
  });
});
