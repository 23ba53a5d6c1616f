import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import {
  type Change,
  ChangeResourceRecordSetsCommand,
  GetChangeCommand,
  GetHostedZoneCommand,
  ListHostedZonesByNameCommand,
  ListHostedZonesCommand,
  ListResourceRecordSetsCommand,
  Route53Client,
} from '@aws-sdk/client-route-53';
import { decode, encode } from 'dns-packet';
import { expect, onTestFinished, test } from 'vitest';
import { type Route53FakeOptions, startRoute53Fake } from './route53.ts';

const HOME = { id: 'Z1', name: 'example.test' };

/** A fake on a clock that stands still unless told, and the SDK at it. */
async function setUp(zones: Route53FakeOptions['zones'], options: Omit<Route53FakeOptions, 'zones'> = {}) {
  let time = Date.UTC(2026, 10, 25);
  const fake = await startRoute53Fake({ zones, now: () => new Date(time), ...options });
  const client = new Route53Client({
    endpoint: fake.endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
    maxAttempts: 1,
  });
  const resolver = new Resolver({ timeout: 20_000, tries: 3 });
  resolver.setServers([fake.dns]);
  onTestFinished(async () => {
    client.destroy();
    await fake[Symbol.asyncDispose]();
  });
  const change = (...Changes: Change[]) =>
    client.send(new ChangeResourceRecordSetsCommand({ HostedZoneId: 'Z1', ChangeBatch: { Changes } }));
  const wait = (ms: number) => {
    time += ms;
  };
  return { fake, client, resolver, change, wait };
}

function txt(Action: 'CREATE' | 'DELETE' | 'UPSERT', name: string, values: readonly string[], TTL = 60): Change {
  const ResourceRecords = values.map((Value) => ({ Value }));
  return { Action, ResourceRecordSet: { Name: `${name}.`, Type: 'TXT', TTL, ResourceRecords } };
}

const times = <T>(count: number, make: (nth: number) => T): T[] => Array.from({ length: count }, (_, nth) => make(nth));

test('a batch is pending until it is in sync, and only then in DNS', async () => {
  const { client, resolver, change, wait, fake } = await setUp([HOME], { inSyncMs: 30_000 });
  const { ChangeInfo } = await change(txt('CREATE', 'a.example.test', ['"one"', '"two" "parts"']));
  expect(ChangeInfo?.Status).toBe('PENDING');
  expect(fake.zone('Z1').txt('a.example.test')).toHaveLength(2);
  await expect(resolver.resolveTxt('a.example.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  wait(30_000);
  const answer = await client.send(new GetChangeCommand({ Id: ChangeInfo?.Id }));
  expect(answer.ChangeInfo?.Status).toBe('INSYNC');
  expect(await resolver.resolveTxt('a.example.test')).toEqual([['one'], ['two', 'parts']]);
  await expect(client.send(new GetChangeCommand({ Id: 'C99' }))).rejects.toMatchObject({ name: 'NoSuchChange' });
});

test.each<[string, readonly Change[], RegExp]>([
  ['a set that exists', [txt('CREATE', 'old.example.test', ['"x"'])], /already exists/],
  ['a DELETE with another TTL', [txt('DELETE', 'old.example.test', ['"old"'], 61)], /do not match the current values/],
  ['a DELETE with another value', [txt('DELETE', 'old.example.test', ['"x"'])], /do not match the current values/],
  ['a DELETE of nothing', [txt('DELETE', 'b.example.test', ['"x"'])], /was not found/],
  ['a name outside the zone', [txt('CREATE', 'a.other.test', ['"x"'])], /not permitted in zone/],
  ['a value without quotes', [txt('CREATE', 'b.example.test', ['x'])], /quotation marks/],
  ['a string of 256 bytes', [txt('CREATE', 'b.example.test', [`"${'x'.repeat(256)}"`])], /too long/],
  ['a value that comes twice', [txt('CREATE', 'b.example.test', ['"x"', '"x"'])], /Duplicate/],
  ['a name with a CNAME', [txt('CREATE', 'alias.example.test', ['"x"'])], /conflicting RRSet of type CNAME/],
  ['a label of 64 bytes', [txt('CREATE', `${'x'.repeat(64)}.example.test`, ['"x"'])], /too long/],
  [
    '1,001 elements',
    [
      txt(
        'CREATE',
        'b.example.test',
        times(1001, (nth) => `"${nth}"`),
      ),
    ],
    /limit of 1000/,
  ],
  [
    '501 elements, since UPSERT counts twice',
    [
      txt(
        'UPSERT',
        'b.example.test',
        times(501, (n) => `"${n}"`),
      ),
    ],
    /1000/,
  ],
  [
    '32,001 characters',
    times(127, (nth) => txt('CREATE', `n${nth}.example.test`, [`"${'x'.repeat(250)}"`])),
    /limit of 32000/,
  ],
])('a batch with %s is refused as a whole', async (_, changes, message) => {
  const { fake, change } = await setUp([HOME]);
  fake.zone('Z1').put('old.example.test', 'TXT', ['"old"'], 60);
  fake.zone('Z1').put('alias.example.test', 'CNAME', ['elsewhere.test.']);
  await expect(change(txt('CREATE', 'good.example.test', ['"good"']), ...changes)).rejects.toMatchObject({
    name: 'InvalidChangeBatch',
    message: expect.stringMatching(message),
  });
  expect(fake.zone('Z1').txt('good.example.test')).toEqual([]);
  expect(fake.zone('Z1').txt('old.example.test')).toEqual(['"old"']);
});

test('a set is replaced by DELETE and CREATE in one batch, and by UPSERT', async () => {
  const { fake, change } = await setUp([HOME]);
  await change(txt('CREATE', 'a.example.test', ['"one"', '"two"']));
  await change(txt('DELETE', 'a.example.test', ['"two"', '"one"']), txt('CREATE', 'a.example.test', ['"three"'], 30));
  expect(fake.zone('Z1').set('a.example.test', 'TXT')).toMatchObject({ ttl: 30, values: ['"three"'] });
  await change(txt('UPSERT', 'a.example.test', ['"four"']));
  expect(fake.zone('Z1').txt('a.example.test')).toEqual(['"four"']);
});

test('a zone takes no further batch while it applies one', async () => {
  const { change, wait } = await setUp([HOME, { id: 'Z2', name: 'other.test' }], { applyMs: 1000 });
  await change(txt('CREATE', 'a.example.test', ['"x"']));
  await expect(change(txt('CREATE', 'b.example.test', ['"x"']))).rejects.toMatchObject({
    name: 'PriorRequestNotComplete',
    $metadata: { httpStatusCode: 400 },
  });
  wait(1000);
  await change(txt('CREATE', 'b.example.test', ['"x"']));
});

test('fifty requests pass at once, then ten a second', async () => {
  const { client, wait, fake } = await setUp([HOME]);
  const list = () => client.send(new ListHostedZonesCommand({}));
  await Promise.all(times(50, list));
  await expect(list()).rejects.toMatchObject({
    name: 'Throttling',
    message: 'Rate exceeded',
    $metadata: { httpStatusCode: 400 },
  });
  wait(1000);
  const outcomes = await Promise.allSettled(times(12, list));
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(10);
  expect(fake.count('ListHostedZones', 'Throttling')).toBe(3);
});

test('fifteen hundred changes pass at once, then a hundred a second; an UPSERT is two', async () => {
  const { change, wait } = await setUp([HOME]);
  const create = (from: number, count: number) =>
    change(...times(count, (nth) => txt('CREATE', `n${from + nth}.example.test`, ['"x"'])));
  await create(0, 900);
  await create(900, 600);
  await expect(create(1500, 1)).rejects.toMatchObject({ name: 'Throttling' });
  wait(1000);
  await expect(change(...times(51, (nth) => txt('UPSERT', `u${nth}.example.test`, ['"x"'])))).rejects.toMatchObject({
    name: 'Throttling',
  });
  await create(1500, 100);
});

test('record sets come in the order of Route 53, page by page', async () => {
  const { client, change } = await setUp([HOME]);
  await change(...times(400, (nth) => txt('CREATE', `n${nth}.example.test`, ['"x"'])));
  await change(txt('CREATE', 'n1-x.example.test', ['"x"']), txt('CREATE', 'a.n1.example.test', ['"x"']));
  const names: string[] = [];
  let start: { StartRecordName?: string | undefined; StartRecordType?: 'TXT' } = {};
  for (let pages = 0; pages < 2; pages += 1) {
    const page = await client.send(new ListResourceRecordSetsCommand({ HostedZoneId: 'Z1', ...start }));
    names.push(...(page.ResourceRecordSets ?? []).map(({ Name, Type }) => `${Name} ${Type}`));
    start = { StartRecordName: page.NextRecordName, StartRecordType: 'TXT' };
  }
  expect(names).toHaveLength(404);
  expect(names.slice(0, 3)).toEqual(['example.test. NS', 'example.test. SOA', 'n0.example.test. TXT']);
  const around = names.filter((name) => /\bn1[.-]/.test(name));
  expect(around).toEqual(['n1-x.example.test. TXT', 'n1.example.test. TXT', 'a.n1.example.test. TXT']);
});

test('zones are listed page by page, by name too, and read alone', async () => {
  const others = times(120, (nth) => ({ id: `Y${nth}`, name: `z${nth}.test` }));
  const { client } = await setUp([...others, { ...HOME, isPrivate: true }]);
  const first = await client.send(new ListHostedZonesCommand({}));
  expect(first).toMatchObject({ IsTruncated: true, NextMarker: 'Y100' });
  const rest = await client.send(new ListHostedZonesCommand({ Marker: first.NextMarker }));
  expect(rest.HostedZones?.at(-1)).toMatchObject({ Id: '/hostedzone/Z1', Config: { PrivateZone: true } });
  const named = await client.send(new ListHostedZonesByNameCommand({ DNSName: 'z7.test', MaxItems: 1 }));
  expect(named.HostedZones).toMatchObject([{ Id: '/hostedzone/Y7', Name: 'z7.test.', ResourceRecordSetCount: 2 }]);
  const one = await client.send(new GetHostedZoneCommand({ Id: 'Z1' }));
  expect(one.HostedZone?.Name).toBe('example.test.');
  await expect(client.send(new GetHostedZoneCommand({ Id: 'Z9' }))).rejects.toMatchObject({ name: 'NoSuchHostedZone' });
});

test('DNS answers from the zone that the world asks, and says where names end', async () => {
  const { fake, resolver } = await setUp([
    HOME,
    { id: 'Z2', name: 'example.test' },
    { id: 'Z3', name: 'sub.example.test' },
    { id: 'Z4', name: 'hidden.test', isPrivate: true },
  ]);
  fake.zone('Z1').put('www.example.test', 'A', ['192.0.2.1']);
  fake.zone('Z1').put('alias.example.test', 'CNAME', ['t.sub.example.test.']);
  fake.zone('Z1').put('x.cut.example.test', 'TXT', ['"below a cut"']);
  fake.zone('Z1').put('cut.example.test', 'NS', ['ns.elsewhere.test.']);
  fake.zone('Z2').put('www.example.test', 'A', ['192.0.2.2']);
  fake.zone('Z3').put('t.sub.example.test', 'TXT', ['"target"']);
  expect(await resolver.resolve4('www.example.test')).toEqual(['192.0.2.1']);
  expect(await resolver.resolveTxt('alias.example.test')).toEqual([['target']]);
  expect(await resolver.resolveCname('alias.example.test')).toEqual(['t.sub.example.test']);
  expect(await resolver.resolveNs('cut.example.test')).toEqual(['ns.elsewhere.test']);
  const [host = ''] = await resolver.resolveNs('example.test');
  expect(await resolver.resolve4(host)).toEqual(['127.0.0.1']);
  expect(await resolver.resolveSoa('example.test')).toMatchObject({ nsname: host });
  await expect(resolver.resolveTxt('www.example.test')).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(resolver.resolveTxt('none.example.test')).rejects.toMatchObject({ code: 'ENOTFOUND' });
  await expect(resolver.resolveTxt('x.cut.example.test')).rejects.toMatchObject({ code: 'ENODATA' });
  await expect(resolver.resolveTxt('hidden.test')).rejects.toMatchObject({ code: 'EREFUSED' });
});

test('a DNS answer that is too large for UDP comes over TCP, and an NXDOMAIN carries the SOA', async () => {
  const { fake, resolver } = await setUp([HOME]);
  const strings = times(18, (nth) => `${nth}`.padStart(200, 'x'));
  fake.zone('Z1').put(
    'big.example.test',
    'TXT',
    strings.map((text) => `"${text}"`),
  );
  expect((await resolver.resolveTxt('big.example.test')).flat().toSorted()).toEqual(strings.toSorted());
  const socket = createSocket('udp4');
  onTestFinished(() => void socket.close());
  const answered = new Promise<Buffer>((resolve) => socket.once('message', resolve));
  const question = { type: 'TXT' as const, name: 'none.example.test' };
  socket.send(encode({ type: 'query', id: 7, questions: [question] }), fake.dnsPort, '127.0.0.1');
  const { authorities = [], answers } = decode(await answered);
  expect(answers).toEqual([]);
  expect(authorities.map(({ type }) => type)).toEqual(['SOA']);
});

test('a request without a signature, with an unknown key or at an unknown place is refused', async () => {
  const { fake, client } = await setUp([HOME], { accessKeyIds: ['known'] });
  await expect(client.send(new ListHostedZonesCommand({}))).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
  const unsigned = await fetch(`${fake.endpoint}/2013-04-01/hostedzone`);
  expect([unsigned.status, await unsigned.text()]).toEqual([403, expect.stringContaining('MissingAuthentication')]);
  expect((await fetch(`${fake.endpoint}/elsewhere`)).status).toBe(404);
});

test('errors and lost connections can be scripted, before and after the effect', async () => {
  const { fake, client, change } = await setUp([HOME], {
    onRequest: ({ action, nth }) => {
      if (action === 'ListHostedZones') return { status: 403, code: 'SignatureDoesNotMatch', message: 'no' };
      if (action !== 'ChangeResourceRecordSets') return undefined;
      return nth === 0 ? { lose: 'request' } : { lose: 'answer' };
    },
  });
  await expect(client.send(new ListHostedZonesCommand({}))).rejects.toMatchObject({ name: 'SignatureDoesNotMatch' });
  await expect(change(txt('CREATE', 'a.example.test', ['"x"']))).rejects.toThrow();
  expect(fake.zone('Z1').size).toBe(2);
  await expect(change(txt('CREATE', 'a.example.test', ['"x"']))).rejects.toThrow();
  expect(fake.zone('Z1').size).toBe(3);
  expect(fake.requests.map(({ outcome }) => outcome)).toEqual(['SignatureDoesNotMatch', 'lost', 'lost']);
});
