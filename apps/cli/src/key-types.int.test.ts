/** Tests of `cert` commands where one name has certificates with two key types. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certbus } from './cli.builders.ts';

const folder = temporaryFolder();
const run = (...args: string[]) => certbus(folder.path, args);
let dns: DnsServer;
let ca: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
  const init = await run('init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...provider);
  expect(init.status).toBe(0);
});
afterAll(async () => {
  await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

test('a second key type makes a second certificate, and a name that both have is not guessed at', async () => {
  const mk = async (...flags: string[]) => {
    const { status, stdout } = await run('cert', 'mk', '--subdomain', 'both.test', ...flags);
    expect(status).toBe(0);
    return stdout.trim();
  };
  const ecdsa = await mk();
  expect((await run('cert', 'cat', 'BOTH.test.')).stdout).toContain(ecdsa);
  const rsa = await mk('--key-type', 'RSA-2048');
  expect(rsa).not.toBe(ecdsa);
  expect(await mk('--key-type', 'rsa-2048')).toBe(rsa);
  expect(await mk('--key-type', 'P-256')).toBe(ecdsa);
  for (const command of ['cat', 'renew', 'rm']) {
    const { status, stderr } = await run('cert', command, 'both.test');
    expect(status).toBe(2);
    expect(stderr).toContain(`${ecdsa} (P-256: both.test)`);
    expect(stderr).toContain(`${rsa} (RSA-2048: both.test)`);
  }
  expect(await run('cert', 'rm', ecdsa, '--yes')).toMatchObject({ status: 0 });
  expect((await run('cert', 'rm', 'both.test', '--yes')).stdout).toContain(`removed ${rsa}`);
  expect(await run('cert', 'cat', 'both.test')).toMatchObject({ status: 4 });
});
