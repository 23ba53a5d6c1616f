import { type Challenge, presentedChallenge } from '@certbus/acme';
import { recordFor } from '@certbus/acme/solver-kit';
import { startDnsServer } from '@certbus/acme-server';
import { startJumpClock } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { startDns } from './dns.builders.ts';
import { createDnsPersist01Solver, type DnsPersist01Options } from './dns-persist-01.ts';

const { signal } = new AbortController();
const accountUrl = 'https://ca.test/acct/123';
const offered: Challenge & { type: 'dns-persist-01' } = {
  type: 'dns-persist-01',
  url: 'https://ca.test/chall/1',
  status: 'pending',
  issuers: ['authority.test'],
};
const challengeFor = (name: string, isWildcard = false) =>
  presentedChallenge(name, offered, 'thumbprint', { accountUrl, isWildcard });
const allowing = recordFor({ issuers: ['authority.test'], accountUrl, isWildcard: false });
const NAME = '_validation-persist.a.test';

type Zone = Record<string, readonly string[]>;

/** Two name servers of one zone, each with records of its own that can be changed. */
async function twoServers(records: [Zone, Zone], options: DnsPersist01Options = {}) {
  const servers = await Promise.all(
    records.map((zone) => startDns(({ type, name }) => (type === 'TXT' ? (zone[name] ?? []) : []))),
  );
  onTestFinished(async () => {
    for (const server of servers) await server[Symbol.asyncDispose]();
  });
  const [first] = servers;
  const nameServers = servers.map(({ address }) => address);
  return createDnsPersist01Solver({ resolver: [first?.address ?? ''], nameServers, ...options });
}

test('ready when every server shows a record that allows it, and nothing is ever written', async () => {
  const solver = await twoServers([{ [NAME]: ['other', allowing] }, { [NAME]: [allowing] }]);
  const challenges = [challengeFor('a.test')];
  await solver.present(challenges, { signal });
  await solver.ready(challenges, { signal });
  await solver.cleanUp(challenges, { signal });
});

test('what is missing is told at once, for all names, as lines of a zone', async () => {
  const solver = await twoServers([{ [NAME]: [allowing] }, { [NAME]: [allowing] }], { visibleWithinMs: 3_600_000 });
  const challenges = [challengeFor('a.test'), challengeFor('a.test', true), challengeFor('b.test')];
  const failure = await solver.ready(challenges, { signal }).catch((error: unknown) => error);
  expect(failure).toMatchObject({
    code: 'CERTBUS_ACME_RECORD_MISSING',
    records: [
      `${NAME}. 3600 IN TXT "authority.test; accounturi=${accountUrl}; policy=wildcard"`,
      `_validation-persist.b.test. 3600 IN TXT "authority.test; accounturi=${accountUrl}"`,
    ],
    message: expect.stringMatching(/does not have policy=wildcard.*no record is for authority\.test.*IN TXT/),
  });
});

test('a record that is on its way to the other servers is waited for', async () => {
  const second: Zone = {};
  const solver = await twoServers([{ [NAME]: [allowing] }, second]);
  const ready = solver.ready([challengeFor('a.test')], { signal });
  setTimeout(() => Object.assign(second, { [NAME]: [allowing] }), 300);
  await ready;
});

test('a server that stays behind is named in the end', async () => {
  const solver = await twoServers([{ [NAME]: [allowing] }, {}], { visibleWithinMs: 100 });
  await expect(solver.ready([challengeFor('a.test')], { signal })).rejects.toThrow(
    /no record is for authority\.test, at 127\.0\.0\.1:\d+/,
  );
});

test('a record that ends soon is warned of, one that does not is not', async () => {
  const warnings: string[] = [];
  const until = (text: string) => `${allowing}; persistUntil=${Date.parse(text) / 1000}`;
  const zone: Zone = {
    [NAME]: [until('2027-01-01T00:00:00Z')],
    '_validation-persist.b.test': [until('2028-01-01T00:00:00Z')],
  };
  const now = () => new Date('2026-11-24T03:00:00Z');
  const solver = await twoServers([zone, zone], { now, warn: (message) => warnings.push(message) });
  await solver.ready([challengeFor('a.test'), challengeFor('b.test')], { signal });
  expect(warnings).toEqual([
    `The record ${NAME} ends on 2027-01-01T00:00:00.000Z (persistUntil): set a later one before.`,
  ]);
});

test('a CNAME leads to where the record stands', async () => {
  const server = await startDns(({ type, name }) => {
    if (type === 'CNAME' && name === NAME) return ['elsewhere.test'];
    return type === 'TXT' && name === 'elsewhere.test' ? [allowing] : [];
  });
  onTestFinished(() => server[Symbol.asyncDispose]());
  const solver = createDnsPersist01Solver({ resolver: [server.address], nameServers: [server.address] });
  await solver.ready([challengeFor('a.test')], { signal });
});

test('servers that do not answer are no missing record', async () => {
  const server = await startDns(() => []);
  onTestFinished(() => server[Symbol.asyncDispose]());
  const solver = createDnsPersist01Solver({ resolver: [server.address], nameServers: ['127.0.0.1:1'] });
  await expect(solver.ready([challengeFor('a.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(
      /No name server of _validation-persist\.a\.test answers \(127\.0\.0\.1:1 does not answer \(E\w+\)\)/,
    ),
  });
});

test('an account of a very long URI is set in several texts of 255 bytes', async () => {
  const solver = await twoServers([{}, {}]);
  const long = `https://ca.test/${'a'.repeat(400)}`;
  const challenge = presentedChallenge('a.test', offered, 'thumbprint', { accountUrl: long });
  const failure = await solver.ready([challenge], { signal }).catch((error: unknown) => error);
  const [record = ''] = (failure as { records: string[] }).records;
  const texts = [...record.matchAll(/"([^"]*)"/g)].map(([, text = '']) => text);
  expect(texts.map(({ length }) => length)).toEqual([255, challenge.dnsValue.length - 255]);
  expect(texts.join('')).toBe(challenge.dnsValue);
});

test('one dead server of two is left out with a warning', async () => {
  const server = await startDns(({ type, name }) => (type === 'TXT' && name === NAME ? [allowing] : []));
  onTestFinished(() => server[Symbol.asyncDispose]());
  const nameServers = [server.address, '127.0.0.1:1'];
  const [warnings, told] = [[] as string[], [] as string[]];
  const solver = createDnsPersist01Solver({ resolver: [server.address], nameServers, clock: startJumpClock() });
  await solver.ready([challengeFor('a.test')], {
    signal,
    onWarning: (message) => warnings.push(message),
    onWaiting: ({ why }) => told.push(why),
  });
  expect(warnings).toEqual([expect.stringMatching(/^The name server 127\.0\.0\.1:1 does not answer/)]);
  expect(told).toEqual([
    expect.stringMatching(/^_validation-persist\.a\.test: does not answer \(E\w+\), at 127\.0\.0\.1:1$/),
  ]);
});

test('where only a wildcard leads elsewhere, the record is missing at the name itself', async () => {
  const dns = await startDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  dns.add('*.a.test', 'CNAME', 'lb.hoster.invalid');
  dns.set('a.test', 'SOA', [{ mname: 'ns1.a.test', rname: 'admin.a.test' }]);
  dns.set('a.test', 'NS', ['ns1.a.test']);
  dns.set('ns1.a.test', 'A', ['127.0.0.1']);
  const nameServerPort = Number(dns.address.split(':')[1]);
  const solver = createDnsPersist01Solver({ resolver: [dns.address], nameServerPort });
  await expect(solver.ready([challengeFor('a.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_RECORD_MISSING',
    records: [expect.stringContaining(NAME)],
  });
});

test('nothing is looked at where that is turned off', async () => {
  const solver = createDnsPersist01Solver({ resolver: ['127.0.0.1:1'], nameServers: false });
  await solver.ready([challengeFor('a.test')], { signal });
});
