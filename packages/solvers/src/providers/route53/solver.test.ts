import { getEventListeners } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import type { Route53FakeOptions } from '@certbus/acme-server/route53';
import { startJumpClock } from 'certbus-services';
import { expect, test } from 'vitest';
import { startDns } from '../../dns/dns.builders.ts';
import { challengeFor, quoted, recordOf, setUp } from './solver.builders.ts';
import { createRoute53Solver, type Route53Options } from './solver.ts';

const { signal } = new AbortController();
const HOME = { id: 'Z1', name: 'example.test' };
const RECORD = recordOf('example.test');

test('wildcard and apex share a record, are in sync, and leave nothing behind', async () => {
  const { fake, manager } = await setUp([HOME]);
  const solver = manager();
  const both = [challengeFor('example.test'), challengeFor('example.test')];
  await solver.present(both, { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual(both.map(quoted));
  await solver.ready(both, { signal });
  expect(fake.count('ChangeResourceRecordSets')).toBe(1);
  expect(fake.count('GetChange')).toBe(1);
  await solver.cleanUp(both, { signal });
  expect(fake.zone('Z1').size).toBe(2);
});

test('a first order makes five calls: zones, records, change, in sync, and away', async () => {
  const { fake, manager, slept } = await setUp([HOME]);
  const solver = manager();
  const mine = [challengeFor('example.test')];
  await solver.present(mine, { signal });
  expect(slept).toEqual([]);
  await solver.ready(mine, { signal });
  await solver.cleanUp(mine, { signal });
  expect(fake.requests.map(({ action }) => action)).toEqual([
    'ListHostedZones',
    'ListResourceRecordSets',
    'ChangeResourceRecordSets',
    'GetChange',
    'ChangeResourceRecordSets',
  ]);
});

test('two hundred names of a zone are one batch, one page and one wait', async () => {
  const { fake, manager } = await setUp([HOME]);
  const solver = manager();
  const many = Array.from({ length: 200 }, (_, number) => challengeFor(`n${number}.example.test`));
  await solver.present(many, { signal });
  await solver.ready(many, { signal });
  expect(fake.zone('Z1').size).toBe(202);
  expect(fake.count()).toBe(4);
  await solver.cleanUp(many, { signal });
  expect(fake.zone('Z1').size).toBe(2);
  expect(fake.count()).toBe(5);
});

test('values of others survive, with their TTL', async () => {
  const { fake, manager } = await setUp([HOME]);
  fake.zone('Z1').put(RECORD, 'TXT', ['"foreign"'], 300);
  const solver = manager();
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(fake.zone('Z1').set(RECORD, 'TXT')).toMatchObject({ ttl: 300, values: ['"foreign"', quoted(mine)] });
  await solver.cleanUp([mine], { signal });
  expect(fake.zone('Z1').set(RECORD, 'TXT')).toMatchObject({ ttl: 300, values: ['"foreign"'] });
});

test.each([
  ['an error response', false],
  ['a bare document', true],
])('a writer who comes in between loses nothing, and neither do we (refusal as %s)', async (_, isBare) => {
  const onRequest: Route53FakeOptions['onRequest'] = ({ action, nth }) => {
    if (action !== 'ChangeResourceRecordSets') return undefined;
    if (nth === 0) fake.zone('Z1').put(RECORD, 'TXT', ['"rival"'], 60);
    if (nth === 1) fake.zone('Z1').put(RECORD, 'TXT', ['"rival"', '"second"'], 60);
    return undefined;
  };
  const { fake, manager } = await setUp([HOME], { isBare, onRequest });
  const solver = manager();
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual(['"rival"', '"second"', quoted(mine)]);
  fake.zone('Z1').put(RECORD, 'TXT', ['"third"', quoted(mine)], 60);
  await solver.cleanUp([mine], { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual(['"third"']);
});

test('two managers at one record lose neither value', async () => {
  const clock = startJumpClock();
  const { fake, manager } = await setUp([HOME], { applyMs: 300, now: clock.now });
  const [one, other] = [manager(clock), manager(clock)];
  for (let round = 0; round < 10; round += 1) {
    const pair = [challengeFor('example.test'), challengeFor('example.test')] as const;
    await Promise.all([one.present([pair[0]], { signal }), other.present([pair[1]], { signal })]);
    expect(fake.zone('Z1').txt(RECORD).toSorted()).toEqual(pair.map(quoted).toSorted());
    await Promise.all([one.cleanUp([pair[0]], { signal }), other.cleanUp([pair[1]], { signal })]);
    expect(fake.zone('Z1').size).toBe(2);
  }
  expect(fake.count('ChangeResourceRecordSets', 'InvalidChangeBatch')).toBeGreaterThan(0);
});

test('solvers with the same credentials are one manager: their names go in one batch', async () => {
  const { fake } = await setUp([HOME]);
  const credentials = { accessKeyId: 'id', secretAccessKey: 'made-up' };
  const options = { endpoint: fake.endpoint, credentials, resolver: [fake.dns] };
  const jobs = Array.from({ length: 30 }, (_, number) => {
    return { solver: createRoute53Solver(options), mine: [challengeFor(`n${number % 10}.example.test`)] };
  });
  await Promise.all(jobs.map(({ solver, mine }) => solver.present(mine, { signal })));
  expect(fake.zone('Z1').txt(recordOf('n3.example.test'))).toHaveLength(3);
  expect(fake.count('ListHostedZones')).toBe(1);
  expect(fake.count('ChangeResourceRecordSets')).toBeLessThanOrEqual(3);
});

test('an answer that got lost is found out, and there is still a change to wait for', async () => {
  const { fake, manager } = await setUp([HOME], {
    onRequest: ({ action, nth }) =>
      action === 'ChangeResourceRecordSets' && nth === 0 ? { lose: 'answer' } : undefined,
  });
  const solver = manager();
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual([quoted(mine)]);
  await solver.ready([mine], { signal });
  expect(fake.count('GetChange', 'OK')).toBe(1);
});

test('what is there already is presented again, and cleaning up twice is no error', async () => {
  const { fake, manager } = await setUp([HOME]);
  const solver = manager();
  const mine = challengeFor('example.test');
  await solver.present([mine], { signal });
  await solver.present([mine], { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual([quoted(mine)]);
  await solver.cleanUp([mine], { signal });
  await solver.cleanUp([mine], { signal });
  await manager().cleanUp([mine], { signal });
  expect(fake.zone('Z1').size).toBe(2);
});

test('what an earlier run left is cleaned up by its value alone', async () => {
  const { fake, manager } = await setUp([HOME]);
  const token = crypto.randomUUID();
  await manager().present([challengeFor('example.test', token)], { signal });
  await manager().cleanUp([challengeFor('example.test', token)], { signal });
  expect(fake.zone('Z1').size).toBe(2);
});

test('a value that two orders present stays until both have cleaned up', async () => {
  const { fake, manager } = await setUp([HOME]);
  const solver = manager();
  const token = crypto.randomUUID();
  const pair = [challengeFor('example.test', token), challengeFor('example.test', token)] as const;
  await solver.present([pair[0]], { signal });
  await solver.present([pair[1]], { signal });
  await solver.cleanUp([pair[0]], { signal });
  await solver.cleanUp([pair[0]], { signal });
  expect(fake.zone('Z1').txt(RECORD)).toEqual([quoted(pair[1])]);
  await solver.cleanUp([pair[1]], { signal });
  expect(fake.zone('Z1').size).toBe(2);
});

test.each([
  ['Throttling', 'Rate exceeded'],
  ['PriorRequestNotComplete', 'The request was rejected because Route 53 was still processing a prior request.'],
])('%s is waited for, a little longer each time', async (code, message) => {
  const { fake, manager, slept } = await setUp([HOME], {
    onRequest: ({ action, nth }) =>
      action === 'ChangeResourceRecordSets' && nth < 3 ? { status: 400, code, message } : undefined,
  });
  await manager({ requestRate: { perSecond: 1e9, burst: 1e9 }, changeRate: { perSecond: 1e9, burst: 1e9 } }).present(
    [challengeFor('example.test')],
    { signal },
  );
  const waits = slept.filter((ms) => ms > 100);
  expect(waits).toHaveLength(3);
  expect(waits[2]).toBeGreaterThan((waits[0] ?? 0) * 1.5);
  expect(fake.count('ChangeResourceRecordSets', code)).toBe(3);
});

test('names that Route 53 refuses fail alone', async () => {
  const { fake, manager } = await setUp([HOME]);
  const names = Array.from({ length: 40 }, (_, number) => `n${number}.example.test`);
  fake.zone('Z1').put(recordOf('n7.example.test'), 'CNAME', ['elsewhere.test']);
  // A resolver that does not know of the CNAME yet.
  await using dns = await startDns(() => []);
  const solver = manager({ resolver: [dns.address] });
  const jobs = names.map((name) => solver.present([challengeFor(name)], { signal }));
  const outcomes = await Promise.allSettled(jobs);
  const failed = names.filter((_, at) => outcomes[at]?.status === 'rejected');
  expect(failed).toEqual(['n7.example.test']);
  expect(outcomes[7]).toMatchObject({
    reason: { code: 'CERTBUS_ACME_SOLVER_FAILED', message: expect.stringContaining('conflicting RRSet of type CNAME') },
  });
  expect(fake.zone('Z1').size).toBe(2 + 1 + 39);
});

test('a batch that is refused for an unknown reason is split until the culprit is alone', async () => {
  const { fake, manager } = await setUp([HOME], {
    onRequest: ({ changes }) =>
      changes.some(({ set }) => set.name === recordOf('n5.example.test'))
        ? { status: 400, code: 'InvalidChangeBatch', message: '[Something is odd]' }
        : undefined,
  });
  const solver = manager();
  const names = Array.from({ length: 16 }, (_, number) => `n${number}.example.test`);
  const outcomes = await Promise.allSettled(names.map((name) => solver.present([challengeFor(name)], { signal })));
  expect(names.filter((_, at) => outcomes[at]?.status === 'rejected')).toEqual(['n5.example.test']);
  expect(fake.zone('Z1').size).toBe(2 + 15);
});

test('the longest public zone is chosen, private ones never', async () => {
  const { fake, manager } = await setUp([
    HOME,
    { id: 'Z2', name: 'sub.example.test' },
    { id: 'Z3', name: 'a.sub.example.test', isPrivate: true },
  ]);
  const both = [challengeFor('a.sub.example.test'), challengeFor('b.example.test')];
  await manager().present(both, { signal });
  expect(fake.zone('Z2').txt(recordOf('a.sub.example.test'))).toHaveLength(1);
  expect(fake.zone('Z1').txt(recordOf('b.example.test'))).toHaveLength(1);
  expect(fake.zone('Z3').size).toBe(2);
});

test('CNAMEs are followed into another zone, also one that is not named in "zones"', async () => {
  const { fake, manager } = await setUp([HOME, { id: 'Z2', name: 'acme.other.test' }]);
  fake.zone('Z1').put(RECORD, 'CNAME', ['hop.example.test.']);
  fake.zone('Z1').put('hop.example.test', 'CNAME', ['acme.other.test.']);
  fake.zone('Z1').put(recordOf('www.example.test'), 'CNAME', ['acme.other.test.']);
  const solver = manager({ zones: ['example.test'] });
  const pair = [challengeFor('example.test'), challengeFor('www.example.test')];
  await solver.present(pair, { signal });
  expect(fake.zone('Z2').txt('acme.other.test')).toEqual(pair.map(quoted));
  await solver.ready(pair, { signal });
  await solver.cleanUp(pair, { signal });
  expect(fake.zone('Z2').size).toBe(2);
});

test.each([
  ['circle', ['a.example.test', 'b.example.test', 'a.example.test'], /circle.*a\.example\.test -> b\.example\.test/],
  ['too long', Array.from({ length: 10 }, (_, hop) => `h${hop}.example.test`), /more than 8/],
])('CNAMEs that are a %s are told', async (_, hops, message) => {
  const { fake, manager } = await setUp([HOME]);
  for (const [at, hop] of hops.entries()) {
    fake.zone('Z1').put(at === 0 ? RECORD : (hops[at - 1] ?? ''), 'CNAME', [`${hop}.`]);
  }
  await expect(manager().present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(message),
  });
});

test.each<[string, Route53FakeOptions['zones'], Route53Options]>([
  [
    'no zone fits',
    [
      { id: 'Z1', name: 'other.test' },
      { id: 'Z2', name: 'ple.test' },
    ],
    {},
  ],
  ['the only zone is private', [{ ...HOME, isPrivate: true }], {}],
  ['the zone is outside those configured', [HOME], { zones: ['other.test'] }],
  ['two zones bear the name', [HOME, { ...HOME, id: 'Z2' }], {}],
  ['the given zone does not exist', [HOME], { zoneId: 'Z9' }],
  ['the name does not lie in the given zone', [{ id: 'Z1', name: 'other.test' }], { zoneId: 'Z1' }],
])('where %s the error says so', async (_, zones, options) => {
  const { manager } = await setUp(zones);
  await expect(manager(options).present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringMatching(/zone/),
  });
});

test('a zone id saves the search', async () => {
  const { fake, manager } = await setUp([HOME, { ...HOME, id: 'Z2' }]);
  await manager({ zoneId: 'Z1' }).present([challengeFor('example.test')], { signal });
  expect(fake.zone('Z1').size).toBe(3);
  expect(fake.count('ListHostedZones')).toBe(0);
});

test('zones are found on later pages of the list', async () => {
  const others = Array.from({ length: 250 }, (_, number) => ({ id: `Y${number}`, name: `z${number}.test` }));
  const { fake, manager } = await setUp([...others, HOME]);
  await manager().present([challengeFor('example.test')], { signal });
  expect(fake.zone('Z1').size).toBe(3);
  expect(fake.count('ListHostedZones')).toBe(3);
});

test.each([
  ['InvalidClientTokenId', 403, /credentials/],
  ['SignatureDoesNotMatch', 403, /credentials/],
  ['AccessDenied', 403, /ChangeResourceRecordSets/],
])('%s is told at once, with what to do', async (code, status, advice) => {
  const { manager, slept } = await setUp([HOME], { onRequest: () => ({ status, code, message: 'no' }) });
  await expect(manager().present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(advice),
  });
  expect(slept).toEqual([]);
});

test('an access key that nobody knows is told', async () => {
  const { manager } = await setUp([HOME], { accessKeyIds: ['another'] });
  await expect(manager().present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    message: expect.stringMatching(/InvalidClientTokenId.*credentials/),
  });
});

test.each<[string, Route53FakeOptions, 'present' | 'ready' | 'cleanUp']>([
  [
    'a throttled batch',
    {
      zones: [HOME],
      onRequest: ({ action }) =>
        action === 'ChangeResourceRecordSets' ? { status: 400, code: 'Throttling', message: '' } : undefined,
    },
    'present',
  ],
  ['a batch without an answer', { zones: [HOME], onRequest: () => new Promise(() => {}) }, 'present'],
  ['a zone that is busy', { zones: [HOME], applyMs: 3_600_000 }, 'cleanUp'],
  ['a change that does not get in sync', { zones: [HOME], inSyncMs: 3_600_000 }, 'ready'],
])('an abort ends the wait for %s, and leaves no timer and no listener', async (_, { zones, ...options }, until) => {
  const { manager } = await setUp(zones, options);
  const solver = manager({ sleep: undefined, now: () => new Date() });
  const stop = new AbortController();
  const mine = [challengeFor('example.test')];
  const steps = ['present', 'ready', 'cleanUp'] as const;
  const run = async () => {
    for (const step of steps) {
      if (step === 'ready' && until === 'cleanUp') continue;
      await solver[step](mine, { signal: stop.signal });
      if (step === until) return;
    }
  };
  const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
  const before = timers();
  const rejected = expect(run()).rejects.toThrow('enough');
  // Long enough to be in the middle of it; each of these waits would last far longer.
  await wait(700);
  stop.abort(new Error('enough'));
  await rejected;
  // A runner has timers of its own, which come and go.
  for (let tries = 0; timers() > before && tries < 500; tries += 1) await wait(20);
  expect(timers()).toBeLessThanOrEqual(before);
  expect(getEventListeners(stop.signal, 'abort')).toEqual([]);
});

test('an aborted job takes nothing away from the others of its batch', async () => {
  const stop = new AbortController();
  const { fake, manager } = await setUp([HOME], {
    onRequest: ({ action }) => {
      if (action === 'ChangeResourceRecordSets') stop.abort(new Error('enough'));
      return undefined;
    },
  });
  const solver = manager();
  const [mine, other] = [challengeFor('a.example.test'), challengeFor('b.example.test')];
  const jobs = [solver.present([mine], { signal: stop.signal }), solver.present([other], { signal })];
  const [aborted, done] = await Promise.allSettled(jobs);
  expect(aborted).toMatchObject({ status: 'rejected', reason: { message: 'enough' } });
  expect(done?.status).toBe('fulfilled');
  await solver.cleanUp([mine], { signal });
  expect(fake.zone('Z1').txt(recordOf('b.example.test'))).toEqual([quoted(other)]);
  expect(fake.zone('Z1').size).toBe(3);
});

test('a record full of leftovers is refused instead of being made worse', async () => {
  const { fake, manager } = await setUp([HOME]);
  fake.zone('Z1').put(
    RECORD,
    'TXT',
    Array.from({ length: 20 }, (_, number) => `"${number}"`),
  );
  const solver = manager();
  const [full, free] = await Promise.allSettled([
    solver.present([challengeFor('example.test')], { signal }),
    solver.present([challengeFor('free.example.test')], { signal }),
  ]);
  expect(full).toMatchObject({
    reason: {
      code: 'CERTBUS_ACME_SOLVER_FAILED',
      message: expect.stringMatching(/21 values.*Remove what old orders left/),
    },
  });
  expect(free?.status).toBe('fulfilled');
});

test('what is cleaned up makes room for what is presented at the same time', async () => {
  const { fake, manager } = await setUp([HOME]);
  const solver = manager();
  const old = Array.from({ length: 20 }, () => challengeFor('example.test'));
  const mine = challengeFor('example.test');
  await solver.present(old, { signal });
  await Promise.all([solver.present([mine], { signal }), solver.cleanUp(old, { signal })]);
  expect(fake.zone('Z1').txt(RECORD)).toEqual([quoted(mine)]);
});

test('ready waits until the last of the name servers shows the value', async () => {
  const { fake, manager } = await setUp([HOME]);
  const mine = challengeFor('example.test');
  let asked = 0;
  await using late = await startDns(({ type }) => {
    if (type !== 'TXT') return [];
    asked += 1;
    return asked < 3 ? [] : ['foreign', mine.dnsValue];
  });
  const solver = manager({ nameServers: [fake.dns, late.address] });
  await solver.present([mine], { signal });
  await solver.ready([mine], { signal });
  expect(asked).toBe(3);
});

test('a zone that the world does not ask is told apart', async () => {
  const { manager } = await setUp([
    { id: 'Z1', name: 'sub.example.test', isDelegated: false },
    { ...HOME, id: 'Z2' },
  ]);
  const solver = manager({ visibleWithinMs: 300 });
  const mine = challengeFor('sub.example.test');
  await solver.present([mine], { signal });
  await expect(solver.ready([mine], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringContaining('delegated'),
  });
});

test('where the resolver does not answer, no zone is guessed', async () => {
  const { manager } = await setUp([HOME]);
  const solver = manager({ resolver: ['127.0.0.1:1'] });
  await expect(solver.present([challengeFor('example.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(/CNAME.*does not answer/),
  });
});
