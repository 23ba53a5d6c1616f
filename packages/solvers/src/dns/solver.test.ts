import { expect, onTestFinished, test } from 'vitest';
import { drawChallenge } from '../conformance/subject.ts';
import { startDnsServer } from './dns-server.builders.ts';
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
