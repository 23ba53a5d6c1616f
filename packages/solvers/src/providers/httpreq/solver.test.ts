import { describe, expect, onTestFinished, test } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { startSilentServer } from '../../dns/silent-server.builders.ts';
import { startHttpReq } from './double.builders.ts';
import { createHttpReqSolver, type HttpReqOptions } from './solver.ts';

const ZONES = ['zone.test', 'child.zone.test'];
const { signal } = new AbortController();

async function startHost() {
  const host = await startHttpReq(ZONES);
  const { url, username, password, dns, dnsPort } = host;
  const options = { url, username, password, resolver: [dns.address], nameServerPort: dnsPort };
  const open = (own: Partial<HttpReqOptions> = {}) => createHttpReqSolver({ ...options, ...own });
  return { host, dns, open };
}

async function setUp() {
  const all = await startHost();
  onTestFinished(all.host.stop);
  return all;
}

async function create(mode: 'default' | 'raw'): Promise<SolverUnderTest> {
  const { host, dns, open } = await startHost();
  const silent = await startSilentServer();
  const wrong = crypto.randomUUID();
  const basic = (password: string) => Buffer.from(`${host.username}:${password}`).toString('base64');
  return {
    domain: 'a.zone.test',
    childDomain: 'b.child.zone.test',
    strayDomain: 'stray.test',
    secrets: [host.password, wrong, basic(host.password), basic(wrong)],
    open: async () => open({ mode }),
    openRefused: async () => open({ mode, password: wrong }),
    openSilent: async () => open({ mode, url: `http://${silent.address}`, nameServers: [silent.address] }),
    values: async (name) => dns.get(name, 'TXT').map(String),
    addForeign: async (name, value) => dns.add(name, 'TXT', value),
    alias: async (name, target) => dns.set(name, 'CNAME', [target]),
    async dispose() {
      await host.stop();
      await silent.stop();
    },
  };
}

describe.each(['default', 'raw'] as const)('passes the suite in %s mode', (mode) =>
  solverConformance({ describe, test, create: () => create(mode) }),
);

test('a server gets the name with its final dot, and the value', async () => {
  const { host, open } = await setUp();
  const mine = drawChallenge('zone.test');
  await open().present([mine], { signal });
  await open().cleanUp([mine], { signal });
  const body = { fqdn: '_acme-challenge.zone.test.', value: mine.dnsValue };
  expect(host.requests).toEqual([
    { action: 'present', body },
    { action: 'cleanup', body },
  ]);
});

test('a server in raw mode gets domain, token and key authorization', async () => {
  const { host, open } = await setUp();
  const mine = drawChallenge('www.zone.test');
  await open({ mode: 'raw' }).present([mine], { signal });
  const body = { domain: 'www.zone.test', token: mine.token, keyAuth: mine.keyAuthorization };
  expect(host.requests).toEqual([{ action: 'present', body }]);
});

test('a server without authentication is asked without', async () => {
  const { open } = await setUp();
  const failure = open({ username: undefined, password: undefined }).present([drawChallenge('zone.test')], { signal });
  await expect(failure).rejects.toThrow(/refuses the credentials \(HTTP 401\)/);
});

test('what the server says of a failure is told, without token and key authorization', async () => {
  const { host, open } = await setUp();
  const mine = drawChallenge('zone.test');
  host.failWith(500, `no provider for ${mine.keyAuthorization} with token ${mine.token}`, 1);
  const failure = open({ mode: 'raw' }).present([mine], { signal });
  await expect(failure).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(/Presenting.*_acme-challenge\.zone\.test.*HTTP 500: no provider for … with token …/),
  });
});

test('a wrong path is told', async () => {
  const { host, open } = await setUp();
  const solver = open({ url: host.url.replace('/api', '/elsewhere') });
  await expect(solver.present([drawChallenge('zone.test')], { signal })).rejects.toThrow(/HTTP 404.*below "url"/);
});

test('a busy server is asked again', async () => {
  const { host, dns, open } = await setUp();
  const mine = drawChallenge('zone.test');
  host.failWith(503, 'busy', 2);
  await open().present([mine], { signal });
  expect(dns.get(mine.dnsName, 'TXT')).toEqual([mine.dnsValue]);
});

test('after a failed value nothing new is presented, and all others are still cleaned up', async () => {
  const { host, dns, open } = await setUp();
  const many = Array.from({ length: 40 }, (_, index) => drawChallenge(`n${index}.zone.test`));
  host.failWith(500, 'broken', 1);
  await expect(open().present(many, { signal })).rejects.toThrow('broken');
  const { length } = host.requests;
  expect(length).toBeLessThan(10);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(host.requests).toHaveLength(length);
  host.failWith(500, 'broken', 1);
  await expect(open().cleanUp(many, { signal })).rejects.toThrow('broken');
  expect(host.requests).toHaveLength(length + many.length - 1);
  await open().cleanUp(many, { signal });
  for (const { dnsName } of many) expect(dns.get(dnsName, 'TXT')).toEqual([]);
});

test('where no name server can be asked, the word of the server is enough', async () => {
  const { host, open } = await setUp();
  host.failWith(200, '', 1);
  const solver = open({ nameServers: false });
  const mine = drawChallenge('zone.test');
  await solver.present([mine], { signal });
  await solver.ready([mine], { signal });
});

test('a server that makes the names answers dns-01 alone', async () => {
  const { open } = await setUp();
  expect(open({ mode: 'raw' }).challenges).toEqual(['dns-01']);
  expect(open().challenges).toEqual(['dns-01', 'dns-account-01']);
});

test('credentials in the address are refused, without saying them', () => {
  const url = 'https://user:pass-word@dns.test';
  expect(() => createHttpReqSolver({ url })).toThrow(TypeError);
  expect(() => createHttpReqSolver({ url })).not.toThrow('pass-word');
});
