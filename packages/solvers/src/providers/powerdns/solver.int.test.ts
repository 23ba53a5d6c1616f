import { Resolver } from 'node:dns/promises';
import { type PowerDns, requirePart, startPowerDns } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { type SolverUnderTest, solverConformance } from '../../conformance/index.ts';
import { drawChallenge } from '../../conformance/subject.ts';
import { startDnsServer } from '../../dns/dns-server.builders.ts';
import { type SilentServer, startSilentServer } from '../../dns/silent-server.builders.ts';
import { createPowerDnsSolver, type PowerDnsOptions } from './solver.ts';

const ZONES = [{ name: 'zone.test', delegations: ['child.zone.test'] }, { name: 'child.zone.test' }];
const part = requirePart('powerdns');
const { signal } = new AbortController();
let subjects = 0;

describe.skipIf(part.skip)(part.title('with PowerDNS'), () => {
  let server: PowerDns;
  let silent: SilentServer;
  beforeAll(async () => {
    server = await startPowerDns({ zones: ZONES });
    silent = await startSilentServer();
  });
  afterAll(async () => {
    await server?.stop();
    await silent?.stop();
  });

  const open = (options: Partial<PowerDnsOptions> = {}) => {
    const { url, apiKey, address, port } = server;
    return createPowerDnsSolver({ url, apiKey, resolver: [address], nameServerPort: port, ...options });
  };

  async function values(name: string): Promise<string[]> {
    const resolver = new Resolver({ timeout: 20_000, tries: 3 });
    resolver.setServers([server.address]);
    const records = await resolver.resolveTxt(name).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENODATA' || error.code === 'ENOTFOUND') return [];
      throw error;
    });
    return records.map((chunks) => chunks.join(''));
  }

  /** Writes a set as another client of the API does. */
  async function write(name: string, set: { type: string; ttl?: number; records: readonly object[] }): Promise<void> {
    const zone = name.endsWith('.child.zone.test') ? 'child.zone.test' : 'zone.test';
    const response = await fetch(`${server.url}/api/v1/servers/localhost/zones/${zone}.`, {
      method: 'PATCH',
      headers: { 'x-api-key': server.apiKey },
      body: JSON.stringify({ rrsets: [{ name: `${name}.`, ttl: 60, changetype: 'REPLACE', ...set }] }),
    });
    expect(response.status).toBe(204);
  }

  async function create(): Promise<SolverUnderTest> {
    subjects += 1;
    const [mark, wrong] = [`t${subjects}`, crypto.randomUUID()];
    const silentUrl = `http://${silent.address}`;
    return {
      domain: `${mark}.zone.test`,
      childDomain: `${mark}.child.zone.test`,
      strayDomain: 'stray.invalid',
      secrets: [server.apiKey, wrong],
      open: async () => open(),
      openRefused: async () => open({ apiKey: wrong }),
      openSilent: async () => open({ url: silentUrl, resolver: [silent.address], nameServers: [silent.address] }),
      values,
      async addForeign(name, value) {
        const content = JSON.stringify(value);
        await write(name, { type: 'TXT', records: [{ content, disabled: false }] });
      },
      alias: (name, target) => write(name, { type: 'CNAME', records: [{ content: `${target}.`, disabled: false }] }),
      dispose: async () => {},
    };
  }

  describe('passes the suite', () => solverConformance({ describe, test, create }));

  test('the TTL of a set and its other records stay as they are', async () => {
    const mine = drawChallenge('kept.zone.test');
    await write(mine.dnsName, {
      type: 'TXT',
      ttl: 4711,
      records: [{ content: '"in \\"two\\"" "chunks"', disabled: false }],
    });
    const solver = open();
    await solver.present([mine], { signal });
    expect((await values(mine.dnsName)).toSorted()).toEqual([mine.dnsValue, 'in "two"chunks'].toSorted());
    await solver.cleanUp([mine], { signal });
    const resolver = new Resolver();
    resolver.setServers([server.address]);
    expect(await resolver.resolveAny(mine.dnsName)).toMatchObject([{ type: 'TXT', entries: ['in "two"', 'chunks'] }]);
    const path = `zones/zone.test.?rrset_name=${mine.dnsName}.&rrset_type=TXT`;
    const answer = await fetch(`${server.url}/api/v1/servers/localhost/${path}`, {
      headers: { 'x-api-key': server.apiKey },
    });
    expect(await answer.json()).toMatchObject({ rrsets: [{ ttl: 4711 }] });
  });

  test('a value that another program wrote over comes back while it is waited for', async () => {
    const mine = drawChallenge('lost.zone.test');
    const solver = open();
    await solver.present([mine], { signal });
    await write(mine.dnsName, { type: 'TXT', records: [{ content: '"rival"', disabled: false }] });
    await solver.ready([mine], { signal });
    expect((await values(mine.dnsName)).toSorted()).toEqual([mine.dnsValue, 'rival'].toSorted());
  });

  test('two processes at one name end with both values', async () => {
    for (let round = 0; round < 20; round += 1) {
      const pair = [drawChallenge('race.zone.test'), drawChallenge('race.zone.test')];
      const workers = pair.map((own, index) => {
        // By another spelling of its address the host is another one, so that they do not queue behind each other.
        return { own, solver: open({ url: `${server.url}/${'./'.repeat(index)}` }) };
      });
      await Promise.all(workers.map(({ own, solver }) => solver.present([own], { signal })));
      await Promise.all(workers.map(({ own, solver }) => solver.ready([own], { signal })));
      expect(await values(pair[0]?.dnsName ?? '')).toEqual(expect.arrayContaining(pair.map((each) => each.dnsValue)));
      await Promise.all(workers.map(({ own, solver }) => solver.cleanUp([own], { signal })));
      await open().cleanUp(pair, { signal });
    }
    expect(await values('_acme-challenge.race.zone.test')).toEqual([]);
  });

  test('what the server does not take is told in its words', async () => {
    const mine = drawChallenge('taken.zone.test');
    await write(mine.dnsName, { type: 'CNAME', records: [{ content: 'elsewhere.zone.test.', disabled: false }] });
    // A resolver that does not know of the alias yet.
    const late = await startDnsServer({ zones: ['zone.test'] });
    onTestFinished(() => late.stop());
    const solver = open({ resolver: [late.address] });
    await expect(solver.present([mine], { signal })).rejects.toThrow(/HTTP 422: .*Conflicts with pre-existing RRset/);
  });

  test('another server id has no zones', async () => {
    const failure = open({ serverId: 'remote' }).present([drawChallenge('any.zone.test')], { signal });
    await expect(failure).rejects.toMatchObject({ code: 'CERTBUS_ACME_ZONE_NOT_FOUND' });
  });

  test('more values than a CA bears are told', async () => {
    const many = Array.from({ length: 21 }, () => drawChallenge('crowded.zone.test'));
    await expect(open().present(many, { signal })).rejects.toThrow(/has 21 values, more than CAs accept/);
  });

  test('a server that is away is told, with its address', async () => {
    const away = open({ url: `http://127.0.0.2:${silent.port}` }).present([drawChallenge('away.zone.test')], {
      signal,
    });
    await expect(away).rejects.toMatchObject({
      code: 'CERTBUS_ACME_SOLVER_FAILED',
      message: expect.stringMatching(/PowerDNS \(http:\/\/127\.0\.0\.2:\d+\).*cannot be reached \(ECONNREFUSED\)/),
    });
  });
});
