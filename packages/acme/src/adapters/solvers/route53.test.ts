import { Resolver } from 'node:dns/promises';
import { expect, onTestFinished, test } from 'vitest';
import { presentedChallenge } from '../../challenge.ts';
import type { PresentedChallenge } from '../../index.ts';
import { type StoredZone, startDns, startFakeRoute53 } from '../../route53.builders.ts';
import { authoritativeServers } from './route53/visible.ts';
import { createRoute53Solver, type Route53Options } from './route53.ts';

const signal = AbortSignal.timeout(60_000);
const RECORD = '_acme-challenge.example.test';

function challengeFor(name: string, token = crypto.randomUUID()): PresentedChallenge {
  return presentedChallenge(name, { type: 'dns-01', url: '', status: 'pending', token }, 'thumbprint');
}

const quoted = ({ dnsValue }: PresentedChallenge) => `"${dnsValue}"`;
const zone = (id: string, name: string, isPrivate = false): StoredZone => ({ id, name, isPrivate, sets: new Map() });

async function setUp(zones: readonly StoredZone[], options: Route53Options = {}) {
  const fake = await startFakeRoute53(zones);
  onTestFinished(() => fake[Symbol.asyncDispose]());
  const slept: number[] = [];
  const solver = createRoute53Solver({
    endpoint: fake.endpoint,
    credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
    sleep: async (ms) => void slept.push(ms),
    resolver: false,
    ...options,
  });
  return { fake, solver, slept };
}

test('wildcard and apex share a record, are in sync, and leave nothing behind', async () => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home]);
  const both = [challengeFor('example.test'), challengeFor('example.test')];
  await solver.present(both, { signal });
  expect(home.sets.get(RECORD)?.values).toEqual(both.map(quoted));
  await solver.ready(both, { signal });
  expect(fake.calls.filter((call) => call === 'GET change/C0')).toHaveLength(2);
  await solver.cleanUp(both, { signal });
  expect(home.sets.size).toBe(0);
});

test('a hundred names of a zone are one batch', async () => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home]);
  const many = Array.from({ length: 100 }, (_, number) => challengeFor(`n${number}.example.test`));
  await solver.present(many, { signal });
  expect(home.sets.size).toBe(100);
  expect(fake.calls.filter((call) => call.startsWith('POST'))).toHaveLength(1);
  expect(fake.calls.filter((call) => call === 'GET hostedzone')).toHaveLength(1);
});

test('values of others survive, with their TTL', async () => {
  const home = zone('Z1', 'example.test');
  home.sets.set(RECORD, { ttl: 300, values: ['"foreign"'] });
  const { solver } = await setUp([home]);
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(home.sets.get(RECORD)).toEqual({ ttl: 300, values: ['"foreign"', quoted(mine)] });
  await solver.cleanUp([mine], { signal });
  expect(home.sets.get(RECORD)).toEqual({ ttl: 300, values: ['"foreign"'] });
});

test.each([
  ['an error response', false],
  ['a bare document', true],
])('a writer who comes in between loses nothing, and neither do we (refusal as %s)', async (_, isBare) => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home]);
  fake.isBare = isBare;
  fake.meanwhile = (nth) => {
    if (nth === 0) home.sets.set(RECORD, { ttl: 60, values: ['"rival"'] });
    if (nth === 1) home.sets.set(RECORD, { ttl: 60, values: ['"rival"', '"second"'] });
  };
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(home.sets.get(RECORD)?.values).toEqual(['"rival"', '"second"', quoted(mine)]);
});

test('two managers at once end with both values', async () => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home]);
  const other = createRoute53Solver({
    endpoint: fake.endpoint,
    credentials: { accessKeyId: 'id', secretAccessKey: 'made-up' },
    resolver: false,
  });
  const pair = [challengeFor('example.test'), challengeFor('example.test')] as const;
  await Promise.all([solver.present([pair[0]], { signal }), other.present([pair[1]], { signal })]);
  expect(home.sets.get(RECORD)?.values.toSorted()).toEqual(pair.map(quoted).toSorted());
  await Promise.all([solver.cleanUp([pair[0]], { signal }), other.cleanUp([pair[1]], { signal })]);
  expect(home.sets.size).toBe(0);
});

test('an answer that got lost is found out, and there is still a change to wait for', async () => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home]);
  fake.dropAnswer = (nth) => nth === 0;
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(home.sets.get(RECORD)?.values).toEqual([quoted(mine)]);
  await solver.ready([mine], { signal });
  expect(fake.calls.some((call) => call.startsWith('GET change/C'))).toBe(true);
});

test('what is there already is presented again, and cleaning up twice is no error', async () => {
  const home = zone('Z1', 'example.test');
  const { solver } = await setUp([home]);
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  await solver.present([mine], { signal });
  expect(home.sets.get(RECORD)?.values).toEqual([quoted(mine)]);
  await solver.cleanUp([mine], { signal });
  await solver.cleanUp([mine], { signal });
  expect(home.sets.size).toBe(0);
});

test.each([
  ['Throttling', 'Rate exceeded'],
  ['PriorRequestNotComplete', 'The request was rejected because Route 53 was still processing a prior request.'],
])('%s is waited for, a little longer each time', async (code, message) => {
  const { fake, solver, slept } = await setUp([zone('Z1', 'example.test')]);
  fake.fail = (call, nth) => (call.startsWith('POST') && nth < 3 ? { status: 400, code, message } : undefined);
  await solver.present([challengeFor('example.test')], { signal });
  expect(slept).toHaveLength(3);
  expect(slept[2]).toBeGreaterThan((slept[0] ?? 0) * 1.5);
});

test('the longest public zone is chosen, private ones never', async () => {
  const [outer, inner, hidden] = [
    zone('Z1', 'example.test'),
    zone('Z2', 'sub.example.test'),
    zone('Z3', 'a.sub.example.test', true),
  ];
  const { solver } = await setUp([outer, inner, hidden]);
  await solver.present([challengeFor('a.sub.example.test'), challengeFor('b.example.test')], { signal });
  expect([...inner.sets.keys()]).toEqual(['_acme-challenge.a.sub.example.test']);
  expect([...outer.sets.keys()]).toEqual(['_acme-challenge.b.example.test']);
  expect(hidden.sets.size).toBe(0);
});

test.each<[string, readonly StoredZone[], Route53Options]>([
  ['no zone fits', [zone('Z1', 'other.test'), zone('Z2', 'ple.test')], {}],
  ['the zone is outside those configured', [zone('Z1', 'example.test')], { zones: ['other.test'] }],
  ['two zones bear the name', [zone('Z1', 'example.test'), zone('Z2', 'example.test')], {}],
  ['the given zone does not exist', [zone('Z1', 'example.test')], { zoneId: 'Z9' }],
  ['the name does not lie in the given zone', [zone('Z1', 'other.test')], { zoneId: 'Z1' }],
])('where %s the error says so', async (_, zones, options) => {
  const { solver } = await setUp(zones, options);
  await expect(solver.present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringMatching(/zone/),
  });
});

test('a zone id saves the search', async () => {
  const home = zone('Z1', 'example.test');
  const { fake, solver } = await setUp([home, zone('Z2', 'example.test')], { zoneId: 'Z1' });
  await solver.present([challengeFor('example.test')], { signal });
  expect(home.sets.size).toBe(1);
  expect(fake.calls).not.toContain('GET hostedzone');
});

test.each([
  ['InvalidClientTokenId', 403, /credentials/],
  ['SignatureDoesNotMatch', 403, /credentials/],
  ['AccessDenied', 403, /ChangeResourceRecordSets/],
])('%s is told at once, with what to do', async (code, status, advice) => {
  const { fake, solver, slept } = await setUp([zone('Z1', 'example.test')]);
  fake.fail = () => ({ status, code, message: 'no' });
  await expect(solver.present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(advice),
  });
  expect(slept).toEqual([]);
});

test('an abort ends the waiting', async () => {
  const stop = new AbortController();
  const { fake, solver } = await setUp([zone('Z1', 'example.test')], {
    sleep: async (_, options) => {
      stop.abort(new Error('enough'));
      options.signal.throwIfAborted();
    },
  });
  fake.fail = () => ({ status: 400, code: 'Throttling', message: 'Rate exceeded' });
  await expect(solver.present([challengeFor('example.test')], { signal: stop.signal })).rejects.toThrow('enough');
});

test('a record full of leftovers is refused instead of being made worse', async () => {
  const home = zone('Z1', 'example.test');
  home.sets.set(RECORD, { ttl: 60, values: Array.from({ length: 20 }, (_, number) => `"${number}"`) });
  const { solver } = await setUp([home]);
  await expect(solver.present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
  });
});

test('ready waits until the name servers show the value', async () => {
  const home = zone('Z1', 'example.test');
  let asked = 0;
  await using dns = await startDns(({ type, name }) => {
    if (type !== 'TXT') return [];
    asked += 1;
    return asked < 3 ? [] : (home.sets.get(name)?.values ?? []).map((value) => value.slice(1, -1));
  });
  const { solver } = await setUp([home], { resolver: [dns.address] });
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  await solver.ready([mine], { signal });
  expect(asked).toBe(3);
});

test('a zone that the world does not ask is told apart', async () => {
  await using dns = await startDns(() => []);
  const { solver } = await setUp([zone('Z1', 'example.test')], { resolver: [dns.address] });
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  await expect(solver.ready([mine], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('delegated'),
  });
});

test("the authoritative servers of a name are those of its zone's apex", async () => {
  await using dns = await startDns(({ type, name }) => {
    if (type === 'NS' && name === 'example.test') return ['ns1.dns.test', 'ns2.dns.test'];
    if (type === 'A') return [name === 'ns1.dns.test' ? '192.0.2.1' : '192.0.2.2'];
    return [];
  });
  const resolver = new Resolver({ timeout: 1000, tries: 1 });
  resolver.setServers([dns.address]);
  expect(await authoritativeServers('_acme-challenge.deep.example.test', resolver)).toEqual(['192.0.2.1', '192.0.2.2']);
});
