/** Tests of DNS-01 with the DNS servers and programs of others, through the command line. */
import { Resolver } from 'node:dns/promises';
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { requirePart, startBind, startPebble, startPowerDns, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';
import { type DnsHost, startHttpReq } from './http-req.builders.ts';

const temporary = temporaryFolder();
const ZONES = [{ name: 'zone.test' }];
const pebble = requirePart('pebble');

afterAll(() => temporary.remove());

/** A host, with more of the site's `certbus.json`. */
interface Host extends DnsHost {
  /** For `programs`. */
  readonly programs?: object;
}

async function bind(): Promise<Host> {
  const server = await startBind({ zones: ZONES });
  onTestFinished(() => server.stop());
  const { name, secret } = server.key;
  const key = { name, secret: { env: 'CERTBUS_SECRET_DNS' } };
  return { address: server.address, secret, settings: { provider: 'rfc2136', server: server.address, key } };
}

async function powerDns(): Promise<Host> {
  const server = await startPowerDns({ zones: ZONES });
  onTestFinished(() => server.stop());
  const settings = { provider: 'powerdns', url: server.url, apiKey: { env: 'CERTBUS_SECRET_DNS' } };
  return { address: server.address, secret: server.apiKey, settings };
}

/** The same with a program between, as people write them for lego. */
async function program(): Promise<Host> {
  const { address, secret, url } = await startHttpReq();
  const path = join(temporary.path, 'my-dns.mjs');
  writeFileSync(
    path,
    `#!${process.execPath}
const [action, fqdn, value] = process.argv.slice(2);
const authorization = 'Basic ' + btoa('user:' + process.env.DNS_KEY);
const { ok } = await fetch(process.env.DNS_URL + '/' + action, { method: 'POST', headers: { authorization }, body: JSON.stringify({ fqdn, value }) });
process.exit(ok ? 0 : 1);
`,
  );
  chmodSync(path, 0o755);
  const env = { DNS_URL: url, DNS_KEY: { env: 'CERTBUS_SECRET_DNS' } };
  const programs = { 'my-dns': { preset: 'lego', path, env } };
  return { address, secret, programs, settings: { provider: 'exec', program: 'my-dns' } };
}

describe.each([
  { title: 'BIND, by signed updates', part: requirePart('bind'), start: bind },
  { title: 'PowerDNS, by its API', part: requirePart('powerdns'), start: powerDns },
  { title: "a server for lego's httpreq", part: pebble, start: startHttpReq },
  { title: 'a program for lego', part: pebble, start: program },
])('$title', ({ part, start }) => {
  const reason = pebble.skip ? pebble : part;
  test.skipIf(pebble.skip || part.skip)(
    reason.title('a wildcard and its apex are proved at a real CA, and nothing is left behind'),
    async () => {
      const { address, settings, secret, programs }: Host = await start();
      const ca = await startPebble({ dnsServer: address });
      onTestFinished(() => ca.stop());
      const site = join(temporary.path, address.replace(':', '-'));
      mkdirSync(site);
      writeFileSync(join(site, 'roots.pem'), ca.roots);
      const env = { CERTBUS_SECRET_DNS: secret, CERTBUS_SECRET_DNS_HOSTS: `127.0.0.1, ${address}` };
      const run = (args: readonly string[], input = '') => certbus(site, args, { input, env });
      const made = await run(['init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem']);
      expect(made.stderr).not.toContain('Error');
      if (programs) {
        const local = JSON.parse(readFileSync(join(site, 'certbus.json'), 'utf8'));
        writeFileSync(join(site, 'certbus.json'), JSON.stringify({ ...local, programs }));
      }
      const stored = JSON.parse((await run(['conf', 'display'])).stdout);
      const dns = [{ zones: ['*'], resolver: [address], nameServers: [address], ...settings }];
      const updated = await run(['conf', 'update'], JSON.stringify({ ...stored, dns }));
      expect(updated).toMatchObject({ status: 0 });
      const issued = await run(['cert', 'mk', '--wildcard', 'zone.test']);
      expect(issued.stderr).not.toContain('Error');
      expect(issued.status).toBe(0);
      expect((await run(['cert', 'ls'])).stdout).toContain('*.zone.test, zone.test');
      const resolver = new Resolver({ timeout: 20_000, tries: 3 });
      resolver.setServers([address]);
      await expect(resolver.resolveTxt('_acme-challenge.zone.test')).rejects.toThrow(/ENODATA|ENOTFOUND/);
      for (const { stdout, stderr } of [updated, issued]) expect(stdout + stderr).not.toContain(secret);
    },
  );
});

test('a secret of this machine goes to no host that the machine does not allow, whatever the bus says', async () => {
  const secret = crypto.randomUUID();
  const heard: string[] = [];
  const server = createServer((request, response) => {
    heard.push(JSON.stringify(request.headers));
    response.writeHead(401).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const site = join(temporary.path, 'other-host');
  mkdirSync(site);
  const run = (args: readonly string[], { input = '', hosts = '' } = {}) =>
    certbus(site, args, { input, env: { CERTBUS_SECRET_DNS: secret, CERTBUS_SECRET_DNS_HOSTS: hosts } });
  const provider = ['--dns-provider', 'powerdns', '--dns-url', 'http://127.0.0.1:1'];
  await run(['init', '--agree-tos', '--directory', 'http://127.0.0.1:1/directory', ...provider]);
  const local = join(site, 'certbus.json');
  const made = JSON.parse(readFileSync(local, 'utf8'));
  expect(made.secretHosts).toEqual({ CERTBUS_SECRET_POWERDNS: ['127.0.0.1:1'] });
  const { position: _, ...stored } = JSON.parse((await run(['conf', 'display'])).stdout);
  const apiKey = { env: 'CERTBUS_SECRET_DNS' };
  const dns = [{ zones: ['*'], provider: 'powerdns', url: `http://${host}`, apiKey, resolver: [host] }];
  const updated = await run(['conf', 'update'], { input: JSON.stringify({ ...stored, dns }) });
  const advice = `add "secretHosts": { "CERTBUS_SECRET_DNS": ["${host}"] } to certbus.json, or set CERTBUS_SECRET_DNS_HOSTS=${host}`;
  expect(updated).toMatchObject({ status: 0, stderr: expect.stringContaining(advice) });
  for (const hosts of ['', '127.0.0.1:1', 'localhost']) {
    const refused = await run(['cert', 'mk', 'zone.test'], { hosts });
    expect(refused).toMatchObject({ status: 3, stderr: expect.stringContaining(advice) });
    expect(refused.stderr).not.toContain(secret);
  }
  const refusals = async () => {
    const { findings } = resultOf(await run(['doctor', '--json', '--no-write-dns']));
    return findings.filter(({ check }: { check: string }) => check === 'secrets');
  };
  expect(await refusals()).toMatchObject([{ status: 'failed', subject: 'CERTBUS_SECRET_DNS' }]);
  expect(heard).toEqual([]);
  const allowed = await run(['conf', 'update'], { input: JSON.stringify({ ...stored, dns }), hosts: host });
  expect(allowed).toMatchObject({ status: 0, stderr: expect.not.stringContaining('secretHosts') });
  writeFileSync(local, JSON.stringify({ ...made, secretHosts: { CERTBUS_SECRET_DNS: [host] } }));
  expect(await refusals()).toEqual([]);
});

test('a program that this machine does not have is told by its name, before any order', async () => {
  const site = join(temporary.path, 'without-program');
  mkdirSync(site);
  const directory = 'http://127.0.0.1:1/directory';
  await certbus(site, ['init', '--agree-tos', '--directory', directory]);
  const stored = JSON.parse((await certbus(site, ['conf', 'display'])).stdout);
  const dns = [{ zones: ['*'], provider: 'exec', program: 'elsewhere' }];
  await certbus(site, ['conf', 'update'], { input: JSON.stringify({ ...stored, dns }) });
  const refused = await certbus(site, ['cert', 'mk', 'zone.test']);
  expect(refused).toMatchObject({
    status: 3,
    stderr: expect.stringMatching(/the program "elsewhere".*There are: none/),
  });
});
