import { startDnsServer as startAcmeDnsServer } from '@certbus/acme-server';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { startDnsServer } from '../../dns/dns-server.builders.ts';
import { startSilentServer } from '../../dns/silent-server.builders.ts';
import { startCloudflare } from './double.builders.ts';
import { type CloudflareOptions, createCloudflareSolver } from './solver.ts';

const ZONES = ['zone.test', 'child.zone.test'];
const { signal } = new AbortController();
const bare = (content: string) => content.replace(/^"(.*)"$/, '$1');

/** The double with name servers that show what it has, and of zones that it does not have. */
async function startHost() {
  const host = await startCloudflare(ZONES);
  const valuesAt = (name: string) =>
    host.records.filter((record) => record.type === 'TXT' && record.name === name).map(({ content }) => bare(content));
  const aliases = new Map<string, string>();
  const dns = await startDnsServer({ zones: [...ZONES, 'stray.test'], aliases, txt: valuesAt });
  const open = (options: Partial<CloudflareOptions> = {}) =>
    createCloudflareSolver({
      url: host.url,
      token: host.token,
      resolver: [dns.address],
      nameServerPort: dns.port,
      ...options,
    });
  const stop = async () => {
    await host.stop();
    await dns.stop();
  };
  return { host, dns, aliases, open, valuesAt, stop };
}

async function setUp() {
  const all = await startHost();
  onTestFinished(all.stop);
  return all;
}

async function create(): Promise<SolverUnderTest> {
  const { host, aliases, open, valuesAt, stop } = await startHost();
  const silent = await startSilentServer();
  const wrong = crypto.randomUUID();
  return {
    domain: 'a.zone.test',
    childDomain: 'b.child.zone.test',
    strayDomain: 'name.stray.test',
    secrets: [host.token, wrong],
    open: async () => open(),
    openRefused: async () => open({ token: wrong }),
    openSilent: async () => open({ url: `http://${silent.address}`, resolver: [silent.address] }),
    values: async (name) => valuesAt(name),
    async addForeign(name, value) {
      host.records.push({ id: 'f'.repeat(32), type: 'TXT', name, content: value });
    },
    async alias(name, target) {
      aliases.set(name, target);
    },
    async dispose() {
      await stop();
      await silent.stop();
    },
  };
}

describe('passes the suite against a double', () => solverConformance({ describe, test, create }));

test('200 names are one call each, and few more', async () => {
  const { host, open } = await setUp();
  const many = Array.from({ length: 200 }, (_, index) => drawChallenge(`n${index}.zone.test`));
  await open().present(many, { signal });
  expect(host.calls.length).toBeLessThanOrEqual(202);
  await open().cleanUp(many, { signal });
  expect(host.calls.length).toBeLessThanOrEqual(405);
  expect(host.records).toEqual([]);
});

test('a host that is busy is waited for, as long as it says', async () => {
  const { host, open } = await setUp();
  host.busyFor = 2;
  await open().present([drawChallenge('busy.zone.test')], { signal });
  expect(host.records).toHaveLength(1);
});

test('who is told to wait for longer than five minutes fails instead, and says until when', async () => {
  const { host, open } = await setUp();
  host.busyFor = 1;
  host.retryAfterS = 301;
  await expect(open().present([drawChallenge('blocked.zone.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_SOLVER_FAILED',
    message: expect.stringMatching(/busy \(HTTP 429, until 20.*Z\)/),
  });
  expect(host.calls).toHaveLength(1);
});

test('a creation whose answer got lost is not made twice', async () => {
  const { host, open } = await setUp();
  host.lostAnswers = 1;
  await open().present([drawChallenge('lost.zone.test')], { signal });
  expect(host.records).toHaveLength(1);
});

test('a token that is refused is told, with the rights that it needs, and not said', async () => {
  const { open } = await setUp();
  for (const token of ['short', 'wrong'.repeat(10)]) {
    const failure = open({ token }).present([drawChallenge('x.zone.test')], { signal });
    await expect(failure).rejects.toThrow(/refuses the token.*Zone:Read and DNS:Edit/);
    await expect(failure).rejects.not.toThrow(token);
  }
});

test('a record that stands in the way is told in the words of the host', async () => {
  const { host, open } = await setUp();
  const mine = drawChallenge('taken.zone.test');
  host.records.push({ id: '1', type: 'CNAME', name: mine.dnsName, content: 'elsewhere.test' });
  await expect(open().present([mine], { signal })).rejects.toThrow(
    /CNAME record with that host already exists. \(81053\)/,
  );
});

test('more values than a CA bears are told', async () => {
  const { open } = await setUp();
  const many = Array.from({ length: 21 }, () => drawChallenge('crowded.zone.test'));
  const solver = open();
  await solver.present(many, { signal });
  await expect(solver.ready(many, { signal })).rejects.toThrow(/more than CAs accept/);
});

test('a zone that DNS makes up below one of the host is not one, by the word of both', async () => {
  const host = await startCloudflare(['zone.test']);
  onTestFinished(() => host.stop());
  const dns = await startAcmeDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  const soa = { mname: 'ns1.host.test', rname: 'admin.host.test' };
  for (const name of ['zone.test', 'www.zone.test']) {
    dns.set(name, 'SOA', [soa]);
    dns.set(name, 'NS', ['ns1.host.test', 'ns2.host.test']);
  }
  const { url, token } = host;
  const solver = createCloudflareSolver({ url, token, resolver: [dns.address], nameServers: false });
  await solver.present([drawChallenge('www.zone.test')], { signal });
  expect(host.records.map(({ name }) => name)).toEqual(['_acme-challenge.www.zone.test']);
  dns.set('www.zone.test', 'NS', ['ns1.other.test']);
  await expect(solver.present([drawChallenge('www.zone.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
    message: expect.stringContaining('has no zone www.zone.test'),
  });
});

test('where DNS makes up a zone at every name, the list of the host decides', async () => {
  const host = await startCloudflare(['zone.test']);
  onTestFinished(() => host.stop());
  const dns = await startAcmeDnsServer({ defaultAddresses: [] });
  onTestFinished(() => dns[Symbol.asyncDispose]());
  dns.makeUp('', 'SOA', [{ mname: 'ns1.host.test', rname: 'admin.host.test' }]);
  dns.makeUp('', 'NS', ['ns1.host.test']);
  const { url, token } = host;
  const solver = createCloudflareSolver({ url, token, resolver: [dns.address], nameServers: false });
  await solver.present([drawChallenge('www.zone.test')], { signal });
  expect(host.records.map(({ name }) => name)).toEqual(['_acme-challenge.www.zone.test']);
  await expect(solver.present([drawChallenge('www.other.test')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
  });
});
