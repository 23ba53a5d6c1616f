/** Tests of how the zone of a name is found, also where DNS makes things up. */
import { AcmeError } from '@certbus/acme';
import { startDnsServer } from '@certbus/acme-server';
import { expect, onTestFinished, test } from 'vitest';
import { openLookups } from './lookups.ts';
import { zoneInDns } from './zone-of.ts';

const soaOf = (zone: string) => ({ mname: `ns1.${zone}`, rname: `admin.${zone}` });

/** A server with these zones, and the search that asks it. */
async function setUp(...zones: readonly string[]) {
  const dns = await startDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  for (const zone of zones) {
    dns.set(zone, 'SOA', [soaOf(zone)]);
    dns.set(zone, 'NS', [`ns1.${zone}`]);
  }
  const lookups = openLookups({ servers: [dns.address], signal: new AbortController().signal });
  return { dns, zoneOf: (name: string) => zoneInDns(name, lookups) };
}

test('the zone of a name is the nearest apex upwards', async () => {
  const { zoneOf } = await setUp('zone.test', 'child.zone.test');
  expect(await zoneOf('_acme-challenge.a.b.zone.test')).toBe('zone.test');
  expect(await zoneOf('_acme-challenge.child.zone.test')).toBe('child.zone.test');
  expect(await zoneOf('zone.test')).toBe('zone.test');
});

test('a name that is an alias is no apex, whatever it is an alias of', async () => {
  const { dns, zoneOf } = await setUp('zone.test', 'other.test');
  dns.add('www.zone.test', 'CNAME', 'other.test');
  expect(await zoneOf('_acme-challenge.www.zone.test')).toBe('zone.test');
});

test('a host that answers SOA at every name, and NS as well, has one zone all the same', async () => {
  const { dns, zoneOf } = await setUp('zone.test');
  dns.add('www.zone.test', 'A', '192.0.2.1');
  dns.makeUp('zone.test', 'SOA', [soaOf('zone.test')]);
  expect(await zoneOf('_acme-challenge.www.zone.test')).toBe('zone.test');
  dns.makeUp('zone.test', 'NS', ['ns1.zone.test']);
  expect(await zoneOf('_acme-challenge.www.zone.test')).toBe('zone.test');
});

test('a host that answers SOA at the names that are there has one zone all the same', async () => {
  const { dns, zoneOf } = await setUp('zone.test');
  dns.add('www.zone.test', 'SOA', soaOf('zone.test'));
  dns.add('_acme-challenge.www.zone.test', 'SOA', soaOf('zone.test'));
  expect(await zoneOf('_acme-challenge.www.zone.test')).toBe('zone.test');
});

test('a resolver that makes up both for every name has no zone, and the error says what was found', async () => {
  const { dns, zoneOf } = await setUp();
  for (const tld of ['test', 'invalid']) dns.makeUp(tld, 'SOA', [soaOf(tld)]);
  dns.makeUp('test', 'NS', ['ns1.test']);
  // The top-level domain is the one name whose neighbours the server does not make up.
  expect(await zoneOf('_acme-challenge.zone.test')).toBe('test');
  dns.makeUp('', 'SOA', [soaOf('test')]);
  dns.makeUp('', 'NS', ['ns1.test']);
  await expect(zoneOf('_acme-challenge.zone.other')).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringMatching(/zone\.other has the same records as a name next to it that does not exist/),
  });
});

test.each(['lan', 'corp', 'internal', 'home.arpa'])('the private domain %s is a zone', async (zone) => {
  const { zoneOf } = await setUp(zone);
  expect(await zoneOf(`_acme-challenge.printer.${zone}`)).toBe(zone);
  expect(await zoneOf(`_acme-challenge.${zone}`)).toBe(zone);
});

test.each(['com', 'co.uk'])('the public suffix %s is the zone of nobody', async (suffix) => {
  const { zoneOf } = await setUp(suffix);
  await expect(zoneOf(`_acme-challenge.gone.${suffix}`)).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringContaining(
      `_acme-challenge.gone.${suffix}: no name upwards is a zone (${suffix} is a public suffix)`,
    ),
  });
});

test('where nothing upwards has NS records, an SOA record that its neighbours lack is enough', async () => {
  const { dns, zoneOf } = await setUp();
  dns.set('zone.test', 'SOA', [soaOf('zone.test')]);
  expect(await zoneOf('_acme-challenge.www.zone.test')).toBe('zone.test');
});

test('a zone whose neighbours cannot be looked up is one', async () => {
  const lookups = {
    nameServers: async () => ['ns1.zone.test'],
    async isApex(name: string) {
      if (name === 'zone.test') return true;
      if (name.startsWith('certbus-')) throw new AcmeError('CERTBUS_ACME_SOLVER_FAILED', 'SERVFAIL');
      return false;
    },
  };
  expect(await zoneInDns('_acme-challenge.zone.test', lookups)).toBe('zone.test');
});
