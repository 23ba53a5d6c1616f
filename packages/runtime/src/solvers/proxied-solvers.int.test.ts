/** Tests that every solver that writes to an API goes through the proxy of the environment, and that no probe does. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server } from 'node:net';
import { presentedChallenge } from '@certbus/acme';
import { startDnsServer } from '@certbus/acme-server';
import type { SolverFactory } from '@certbus/manager';
import {
  createTlsIdentity,
  requirePart,
  startConnectProxy,
  startMoto,
  startS3Server,
  temporaryFolder,
} from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { environmentOf, type Variables } from '../environment.ts';
import type { LocalConfig } from '../local-config.ts';
import { createSolverFactory } from './solvers.ts';

const moto = requirePart('moto');
const s3 = requirePart('s3');
const temporary = temporaryFolder();
const { signal } = new AbortController();
const answer = (type: 'dns-01' | 'http-01', name = 'a.zone.test') =>
  presentedChallenge(name, { type, url: '', status: 'pending', token: 'token' }, 'thumbprint');

afterAll(() => temporary.remove());

/** The solvers of a machine with these variables. */
function factoryWith(variables: Variables): SolverFactory {
  const config = { secretHosts: {}, programs: { json: {}, file: 'certbus.json' } } as unknown as LocalConfig;
  const environment = environmentOf(config, { variables: { ...variables, CERTBUS_STATE_DIR: temporary.path } });
  return createSolverFactory(environment, () => undefined);
}

async function startProxy(...verdict: Parameters<typeof startConnectProxy>) {
  const proxy = await startConnectProxy(...verdict);
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

async function startDns() {
  const dns = await startDnsServer();
  onTestFinished(() => dns[Symbol.asyncDispose]());
  dns.set('zone.test', 'SOA', [{ mname: 'ns1.zone.test', rname: 'admin.zone.test' }]);
  dns.set('zone.test', 'NS', ['ns1.zone.test']);
  return dns;
}

async function listen(server: Server & { closeAllConnections(): void }): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const account = { fulldomain: 'x.auth.test', subdomain: 'x', username: 'user', password: 'word' };

describe.each([
  ['powerdns', { apiKey: 'key' }],
  ['httpreq', { username: 'user', password: 'word' }],
  ['acme-dns', { accounts: [account] }],
])('%s', (provider, fields) => {
  async function start(variables: Variables) {
    const dns = await startDns();
    dns.set('_acme-challenge.a.zone.test', 'CNAME', [account.fulldomain]);
    dns.set('auth.test', 'SOA', [{ mname: 'ns1.auth.test', rname: 'admin.auth.test' }]);
    const { root, certificate: cert, key } = await createTlsIdentity();
    const asked: string[] = [];
    const host = await listen(
      createHttpsServer({ cert, key }, ({ url = '' }, response) => {
        asked.push(url);
        response.writeHead(404).end();
      }),
    );
    const lookup = { zones: ['*'], resolver: [dns.address], nameServers: [dns.address] };
    const settings = { provider, url: `https://${host}`, roots: root, ...lookup, ...fields };
    const solver = await factoryWith(variables)({ challenge: 'dns-01', dns: settings });
    // What the API answers is of no matter: it was reached.
    await solver.present([answer('dns-01')], { signal }).catch(() => {});
    return { host, asked };
  }

  test('reaches its API through the proxy', async () => {
    const proxy = await startProxy();
    const { host, asked } = await start({ HTTPS_PROXY: proxy.url });
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(proxy.tunnels)).toEqual(new Set([host]));
  });

  test('reaches its API directly where NO_PROXY has its range', async () => {
    const proxy = await startProxy();
    const { asked } = await start({ HTTPS_PROXY: proxy.url, NO_PROXY: '127.0.0.0/8' });
    expect(asked.length).toBeGreaterThan(0);
    expect(proxy.tunnels).toEqual([]);
  });
});

test('cloudflare reaches its API through the proxy, whose refusal it tells without a secret', async () => {
  const dns = await startDns();
  const proxy = await startProxy(() => 403);
  const variables = { https_proxy: proxy.url.replace('//', '//me:s3cret@') };
  const settings = { provider: 'cloudflare', zones: ['*'], token: 't0ken', resolver: [dns.address] };
  const solver = await factoryWith(variables)({ challenge: 'dns-01', dns: settings });
  const error = await solver.present([answer('dns-01')], { signal }).catch((reason: unknown) => reason);
  // A refusal is final: it is asked once.
  expect(proxy.tunnels).toEqual(['api.cloudflare.com:443']);
  expect(error).toMatchObject({ code: 'CERTBUS_ACME_SOLVER_FAILED' });
  expect(String(error)).toContain(
    `the proxy ${new URL(proxy.url).host} refused the connection to api.cloudflare.com:443 (HTTP 403)`,
  );
  expect(String(error)).not.toMatch(/s3cret|t0ken/);
});

test('a variable that is wrong is told by its name', async () => {
  const dns = await startDns();
  const settings = { provider: 'cloudflare', zones: ['*'], token: 't0ken', resolver: [dns.address] };
  const solver = await factoryWith({ HTTPS_PROXY: 'socks5://p.test' })({ challenge: 'dns-01', dns: settings });
  await expect(solver.present([answer('dns-01')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_PROXY_INVALID',
    message: expect.stringContaining('HTTPS_PROXY'),
  });
});

test.skipIf(moto.skip)(moto.title('route53 reaches AWS through the proxy'), async () => {
  const server = await startMoto();
  onTestFinished(() => server.stop());
  const dns = await startDns();
  const proxy = await startProxy();
  const settings = {
    provider: 'route53',
    zones: ['*'],
    endpoint: server.endpoint,
    accessKeyId: 'id',
    secretAccessKey: 'made-up',
    resolver: [dns.address],
  };
  const solver = await factoryWith({ HTTP_PROXY: proxy.url })({ challenge: 'dns-01', dns: settings });
  // moto knows no zone, and says so.
  await expect(solver.present([answer('dns-01')], { signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_ZONE_NOT_FOUND',
  });
  expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(server.endpoint).host]));
});

test.skipIf(s3.skip)(s3.title('http-01 by S3 writes through the proxy, and looks directly'), async () => {
  const server = await startS3Server();
  onTestFinished(() => server.stop());
  const challenge = answer('http-01', '127.0.0.1');
  const web = await listen(createHttpServer((_, response) => response.end(challenge.keyAuthorization)));
  const proxy = await startProxy();
  const { bucket, region, endpoint, credentials } = server;
  const { accessKeyId, secretAccessKey } = credentials;
  const http01 = {
    answer: { s3: { bucket, region, endpoint, accessKeyId, secretAccessKey } },
    port: Number(web.split(':')[1]),
  };
  const solver = await factoryWith({ ALL_PROXY: proxy.url })({
    challenge: 'http-01',
    http01,
    publish: async () => {},
  });
  await solver.present([challenge], { signal });
  await solver.ready([challenge], { signal });
  await solver.cleanUp([challenge], { signal });
  expect(new Set(proxy.tunnels)).toEqual(new Set([new URL(endpoint).host]));
});
