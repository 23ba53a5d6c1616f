/** Tests that all that the command line and a load balancer reach goes through the proxy of the environment, or none of it. */
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { connect } from '@certbus/client';
import { type ConnectProxy, requirePart, startConnectProxy, startS3Server, temporaryFolder } from 'certbus-services';
import { sharedDynamoDbLocal } from 'certbus-services/vitest';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { certbus } from './cli.builders.ts';

const temporary = temporaryFolder();
const dynamoDb = requirePart('dynamodb-local');
const s3 = requirePart('s3');
const part = dynamoDb.skip ? dynamoDb : s3;
const CREDENTIALS = ['s3cret', Buffer.from('me:s3cret').toString('base64')];

afterAll(() => temporary.remove());

async function startProxy(): Promise<ConnectProxy> {
  const proxy = await startConnectProxy();
  onTestFinished(() => proxy[Symbol.asyncDispose]());
  return proxy;
}

/** A web server on loopback that answers all with 200, and acts on what it gets. */
async function startWeb(act: (path: string, body: string) => void = () => {}): Promise<string> {
  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = '';
    for await (const chunk of request) body += chunk;
    act(request.url ?? '', body);
    response.end();
  }
  const server = createServer((request, response) => void serve(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

/** A CA, DNS with an API, a check-in, an S3 server and DynamoDB, all on loopback. */
async function startWorld() {
  const dns = await startDnsServer({ defaultAddresses: [] });
  dns.set('zone.test', 'SOA', [{ mname: 'ns1.zone.test', rname: 'admin.zone.test' }]);
  const ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  const archive = await startS3Server();
  onTestFinished(async () => {
    await ca[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
    await archive.stop();
  });
  const api = await startWeb((path, body) => {
    const { fqdn, value } = JSON.parse(body);
    if (path === '/present') dns.add(fqdn, 'TXT', value);
    else dns.remove(fqdn, 'TXT', value);
  });
  let checkIns = 0;
  const checkIn = await startWeb(() => {
    checkIns += 1;
  });
  const { endpoint } = await sharedDynamoDbLocal();
  return { dns, ca, api, checkIn, archive, endpoint, checkIns: () => checkIns };
}

/** A site in a folder of its own; `environment` names the proxy. */
async function useSite(name: string, environment: Readonly<Record<string, string>>) {
  const world = await startWorld();
  const { dns, ca, api, checkIn, archive, endpoint } = world;
  const site = join(temporary.path, name);
  mkdirSync(site);
  writeFileSync(join(site, 'roots.pem'), ca.roots);
  const bus = `dynamodb://proxy-${name}/prod?region=eu-central-1&endpoint=${encodeURIComponent(endpoint)}`;
  const { credentials, bucket, region } = archive;
  const env = {
    AWS_ACCESS_KEY_ID: credentials.accessKeyId,
    AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
    CERTBUS_ARCHIVE: `s3://${bucket}/archive?region=${region}&endpoint=${encodeURIComponent(archive.endpoint)}`,
    ...environment,
  };
  const outputs: string[] = [];
  async function run(args: readonly string[], { input = '', more = {} } = {}): Promise<string> {
    const ended = await certbus(site, args, { input, env: { ...env, ...more } });
    outputs.push(ended.stdout, ended.stderr);
    expect(ended).toMatchObject({ status: 0 });
    return ended.stdout;
  }
  await run(['init', '--agree-tos', '--bus', bus, '--directory', ca.directory, '--roots', 'roots.pem']);
  const stored = JSON.parse(await run(['conf', 'display']));
  const own = { provider: 'httpreq', url: `http://${api}`, resolver: [dns.address], nameServers: [dns.address] };
  const changed = { ...stored, dns: [{ zones: ['*'], ...own }], checkIn: { url: `http://${checkIn}/secret-path` } };
  await run(['conf', 'update'], { input: JSON.stringify(changed) });
  await run(['cert', 'mk', '--subdomain', 'a.zone.test']);
  await run(['cert', 'renewable', '--renew-all']);
  await run(['bus', 'snapshot']);
  const hosts = {
    ca: new URL(ca.directory).host,
    api,
    checkIn,
    dynamoDb: new URL(endpoint).host,
    archive: new URL(archive.endpoint).host,
  };
  return { site, bus, env, run, outputs, hosts, checkIns: world.checkIns };
}

describe.skipIf(part.skip)(part.title('a site behind a proxy'), () => {
  test('CA, DynamoDB, S3, the API of DNS, the check-in and a load balancer go through it, or round it for NO_PROXY', async () => {
    const proxy = await startProxy();
    const { site, bus, env, run, outputs, hosts, checkIns } = await useSite('through', {
      ALL_PROXY: proxy.url.replace('//', '//me:s3cret@'),
    });
    expect(checkIns()).toBe(1);
    expect(new Set(proxy.tunnels)).toEqual(new Set(Object.values(hosts)));
    for (const credential of CREDENTIALS) expect(outputs.join()).not.toContain(credential);

    const reached = proxy.tunnels.length;
    const more = { NO_PROXY: '10.0.0.0/8,127.0.0.0/8' };
    await run(['cert', 'mk', '--subdomain', 'b.zone.test'], { more });
    await run(['cert', 'renewable', '--renew-all'], { more });
    await run(['bus', 'snapshot'], { more });
    expect(checkIns()).toBe(2);
    expect(proxy.tunnels).toHaveLength(reached);

    for (const [name, value] of Object.entries({ ...env, CERTBUS_ARCHIVE: '' })) vi.stubEnv(name, value);
    onTestFinished(() => void vi.unstubAllEnvs());
    const own = {
      identity: join(site, 'loadbalancer.key'),
      trust: join(site, 'bus.pub'),
      replica: ':memory:',
    } as const;
    const names = async (proxySetting?: Parameters<typeof connect>[0]['proxy']) => {
      await using client = await connect({ bus, ...own, proxy: proxySetting });
      return [...client.certificates()].flatMap((each) => each.names).sort();
    };
    expect(await names()).toEqual(['a.zone.test', 'b.zone.test']);
    const through = proxy.tunnels.slice(reached);
    expect(new Set(through)).toEqual(new Set([hosts.dynamoDb]));
    expect(await names(false)).toEqual(['a.zone.test', 'b.zone.test']);
    expect(await names({ url: 'http://127.0.0.1:1', noProxy: '127.0.0.0/8' })).toEqual(['a.zone.test', 'b.zone.test']);
    expect(proxy.tunnels.slice(reached)).toEqual(through);
    await expect(connect({ bus, ...own, proxy: 'ftp://me:s3cret@p.test' })).rejects.toMatchObject({
      code: 'CERTBUS_STORE_PROXY_INVALID',
      message: expect.stringMatching(/^The option "proxy"(?!.*s3cret)/),
    });
  });
});

test('a variable that is wrong is an error of the configuration, which names it and hides its text', async () => {
  const site = join(temporary.path, 'wrong');
  mkdirSync(site);
  const env = {
    HTTPS_PROXY: 'socks5://me:s3cret@127.0.0.1:1080',
    AWS_ACCESS_KEY_ID: 'id',
    AWS_SECRET_ACCESS_KEY: 'made-up',
  };
  const bus = 'dynamodb://certbus/prod?region=eu-central-1';
  const made = await certbus(site, ['init', '--agree-tos', '--bus', bus, '--directory', 'https://ca.test/dir'], {
    env,
  });
  expect(made.status).toBe(3);
  expect(made.stderr).toContain('HTTPS_PROXY');
  expect(made.stdout + made.stderr).not.toContain('s3cret');

  // What stays on this machine needs no proxy.
  const ca = ['--directory', 'http://127.0.0.1:1/dir', '--agree-tos'];
  const local = await certbus(site, ['init', '--dir', 'local', ...ca], { env });
  expect(local).toMatchObject({ status: 0, stderr: expect.not.stringContaining('HTTPS_PROXY') });
  expect(readFileSync(join(site, 'local', 'certbus.json'), 'utf8')).toContain('sqlite:');
});
