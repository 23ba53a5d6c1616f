import { X509Certificate } from 'node:crypto';
import {
  ChangeResourceRecordSetsCommand,
  CreateHostedZoneCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
} from '@aws-sdk/client-route-53';
import { createAcme, generateAccountKey, obtain, registerAccount } from '@certbus/acme';
import { createCsr, type Moto, requirePart, startMoto, startPebble } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { startDns } from '../../dns/dns.builders.ts';
import { challengeFor, quoted, recordOf, setUp } from './solver.builders.ts';
import { createRoute53Solver } from './solver.ts';

const { signal } = new AbortController();
const pebblePart = requirePart('pebble');
const motoPart = requirePart('moto');

describe.skipIf(pebblePart.skip)(pebblePart.title('Pebble validates what the solver wrote'), () => {
  /** A CA that asks the fake's DNS, and one job there. */
  async function start() {
    const zones = [
      { id: 'Z1', name: 'example.test' },
      { id: 'Z2', name: 'acme.test' },
    ];
    const { fake } = await setUp(zones, { applyMs: 50, inSyncMs: 300 });
    const pebble = await startPebble({ dnsServer: fake.dns });
    onTestFinished(() => pebble.stop());
    const { directory, roots } = pebble;
    const ca = createAcme({ directory, roots, accountKey: await generateAccountKey() });
    onTestFinished(() => ca.close());
    await registerAccount(ca, { termsOfServiceAgreed: true, signal });
    async function issue(names: readonly string[]): Promise<void> {
      // One for each order, as the manager does it.
      const solver = createRoute53Solver({
        endpoint: fake.endpoint,
        credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
        resolver: [fake.dns],
        nameServerPort: fake.dnsPort,
      });
      const { csr } = await createCsr(names);
      const job = { names, csr, challenge: 'dns-01' as const, solver, onOrder: async () => {}, signal };
      const { leaf } = await obtain(ca, job);
      const issued = new X509Certificate(leaf).subjectAltName?.split(', ').toSorted();
      expect(issued).toEqual(names.map((name) => `DNS:${name}`).toSorted());
    }
    return { fake, issue };
  }

  test('a wildcard and its apex', async () => {
    const { fake, issue } = await start();
    await issue(['*.example.test', 'example.test']);
    expect(fake.zone('Z1').size).toBe(2);
    expect(fake.count('ChangeResourceRecordSets', 'OK')).toBe(2);
  });

  test('beside the value of another client', async () => {
    const { fake, issue } = await start();
    fake.zone('Z1').put(recordOf('shared.example.test'), 'TXT', ['"foreign"']);
    await issue(['shared.example.test']);
    expect(fake.zone('Z1').txt(recordOf('shared.example.test'))).toEqual(['"foreign"']);
  });

  test('at the end of CNAMEs, in another zone', async () => {
    const { fake, issue } = await start();
    fake.zone('Z1').put(recordOf('example.test'), 'CNAME', ['hop.example.test.']);
    fake.zone('Z1').put('hop.example.test', 'CNAME', ['x1.acme.test.']);
    await issue(['*.example.test', 'example.test']);
    expect(fake.zone('Z2').size).toBe(2);
    expect(fake.count('ChangeResourceRecordSets', 'OK')).toBe(2);
  });

  test('of thirty orders in a crowd, in few calls', async () => {
    const { fake, issue } = await start();
    const orders = Array.from({ length: 30 }, (_, nth) => [`*.n${nth}.example.test`, `n${nth}.example.test`]);
    // More at once, and Pebble can lock up.
    const workers = Array.from({ length: 10 }, async () => {
      for (let names = orders.pop(); names; names = orders.pop()) await issue(names);
    });
    await Promise.all(workers);
    expect(fake.zone('Z1').size).toBe(2);
    expect(fake.count('ChangeResourceRecordSets')).toBeLessThan(60);
    expect(fake.count(undefined, 'Throttling')).toBe(0);
  });
});

describe.skipIf(motoPart.skip)(motoPart.title("moto's Route 53 agrees with the solver's requests"), () => {
  const credentials = { accessKeyId: 'id', secretAccessKey: 'made-up' };
  let moto: Moto;
  /** A resolver that knows nothing: moto has no DNS. */
  let dns: Awaited<ReturnType<typeof startDns>>;
  let client: Route53Client;

  beforeAll(async () => {
    moto = await startMoto();
    dns = await startDns(() => []);
    client = new Route53Client({ endpoint: moto.endpoint, region: 'us-east-1', credentials });
  });

  afterAll(async () => {
    client?.destroy();
    await dns?.[Symbol.asyncDispose]();
    await moto?.stop();
  });

  async function createZone(name: string, isPrivate = false): Promise<string> {
    const command = new CreateHostedZoneCommand({
      Name: name,
      CallerReference: crypto.randomUUID(),
      ...(isPrivate
        ? { HostedZoneConfig: { PrivateZone: true }, VPC: { VPCId: 'vpc-1', VPCRegion: 'us-east-1' as const } }
        : {}),
    });
    const { HostedZone } = await client.send(command);
    return HostedZone?.Id ?? '';
  }

  async function valuesAt(zoneId: string, name: string): Promise<string[]> {
    const { ResourceRecordSets = [] } = await client.send(new ListResourceRecordSetsCommand({ HostedZoneId: zoneId }));
    const set = ResourceRecordSets.find(({ Name, Type }) => Name === `${recordOf(name)}.` && Type === 'TXT');
    return (set?.ResourceRecords ?? []).map(({ Value }) => Value ?? '');
  }

  const rate = { perSecond: 1000, burst: 1000 };
  /** One of several managers: nothing is shared among them. */
  const manager = () =>
    createRoute53Solver({
      endpoint: moto.endpoint,
      credentials,
      resolver: [dns.address],
      nameServers: false,
      requestRate: rate,
      changeRate: rate,
      random: Math.random,
    });

  test('wildcard and apex, in sync and away', async () => {
    const zone = await createZone('apex.test');
    const both = [challengeFor('apex.test'), challengeFor('apex.test')];
    const solver = manager();
    await solver.present(both, { signal });
    expect(await valuesAt(zone, 'apex.test')).toEqual(both.map(quoted));
    await solver.ready(both, { signal });
    await solver.cleanUp(both, { signal });
    await solver.cleanUp(both, { signal });
    expect(await valuesAt(zone, 'apex.test')).toEqual([]);
  });

  test('a second value beside a foreign one, which survives', async () => {
    const zone = await createZone('foreign.test');
    const [foreign, mine] = [challengeFor('foreign.test'), challengeFor('foreign.test')];
    const set = {
      Name: recordOf('foreign.test'),
      Type: 'TXT' as const,
      TTL: 300,
      ResourceRecords: [{ Value: quoted(foreign) }],
    };
    // Not by CREATE: moto refuses one that it has seen before, also after a DELETE in the same batch.
    const Changes = [{ Action: 'UPSERT' as const, ResourceRecordSet: set }];
    await client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: zone, ChangeBatch: { Changes } }));
    const solver = manager();
    await solver.present([mine], { signal });
    expect(await valuesAt(zone, 'foreign.test')).toEqual([foreign, mine].map(quoted));
    await solver.cleanUp([mine], { signal });
    expect(await valuesAt(zone, 'foreign.test')).toEqual([quoted(foreign)]);
  });

  test('two hundred names at once, read back page by page', async () => {
    const zone = await createZone('many.test');
    const many = Array.from({ length: 200 }, (_, number) => challengeFor(`n${number}.many.test`));
    await manager().present(many, { signal });
    expect(await valuesAt(zone, 'n150.many.test')).toHaveLength(1);
    await manager().cleanUp(many, { signal });
    expect(await valuesAt(zone, 'n150.many.test')).toEqual([]);
  });

  test('the longest public zone, and never a private one', async () => {
    await createZone('cut.test');
    const inner = await createZone('sub.cut.test');
    const hidden = await createZone('a.sub.cut.test', true);
    await manager().present([challengeFor('a.sub.cut.test')], { signal });
    expect(await valuesAt(inner, 'a.sub.cut.test')).toHaveLength(1);
    expect(await valuesAt(hidden, 'a.sub.cut.test')).toEqual([]);
  });

  test('a zone that is not there', async () => {
    await expect(manager().present([challengeFor('nowhere.example')], { signal })).rejects.toMatchObject({
      code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    });
  });
});
