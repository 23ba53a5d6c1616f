import { expect, onTestFinished, test } from 'vitest';
import { type ServedRecords, startDnsServer } from './dns-server.builders.ts';
import { openLookups } from './lookups.ts';
import { startSilentServer } from './silent-server.builders.ts';
import { serversOf } from './visible.ts';
import { zoneInDns } from './zone-of.ts';

const never = new AbortController().signal;

async function lookupsAt(records: ServedRecords) {
  const server = await startDnsServer(records);
  onTestFinished(() => server.stop());
  return openLookups({ servers: [server.address], signal: never });
}

test('the zone of a name is the nearest apex upwards', async () => {
  const lookups = await lookupsAt({ zones: ['zone.test', 'child.zone.test'] });
  expect(await zoneInDns('_acme-challenge.a.b.zone.test', lookups)).toBe('zone.test');
  expect(await zoneInDns('_acme-challenge.child.zone.test', lookups)).toBe('child.zone.test');
  expect(await zoneInDns('zone.test', lookups)).toBe('zone.test');
});

test('a name that is an alias is no apex, whatever it is an alias of', async () => {
  const aliases = new Map([['www.zone.test', 'other.test']]);
  const lookups = await lookupsAt({ zones: ['zone.test', 'other.test'], aliases });
  expect(await zoneInDns('_acme-challenge.www.zone.test', lookups)).toBe('zone.test');
});

test('a top-level domain is the zone of nobody', async () => {
  const lookups = await lookupsAt({ zones: ['test'] });
  await expect(zoneInDns('_acme-challenge.gone.test', lookups)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringContaining('_acme-challenge.gone.test'),
  });
});

test('every address of every name server counts, IPv6 in brackets', async () => {
  const hosts: Readonly<Record<string, readonly string[]>> = {
    'ns1.test': ['192.0.2.1', '192.0.2.2'],
    'ns2.test': ['2001:db8::1'],
  };
  const lookups = { nameServers: async () => Object.keys(hosts), addresses: async (host: string) => hosts[host] ?? [] };
  expect(await serversOf('zone.test', lookups)).toEqual(['192.0.2.1:53', '192.0.2.2:53', '[2001:db8::1]:53']);
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
