/** Tests of the way from a CA for trying out to another one, and of what key files can do. */
import { copyFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createIdentity } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const folder = temporaryFolder();
const run = (...args: string[]) => certbus(folder.path, args);
let dns: DnsServer;
let staging: AcmeServer;
let live: AcmeServer;

beforeAll(async () => {
  dns = await startDnsServer();
  const validation = { dnsServer: dns.address };
  [staging, live] = await Promise.all([startAcmeServer({ validation }), startAcmeServer({ validation })]);
  writeFileSync(join(folder.path, 'staging.pem'), staging.roots);
  writeFileSync(join(folder.path, 'live.pem'), live.roots);
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
  const at = ['--directory', staging.directory, '--roots', 'staging.pem', '--contact', 'ops@example.com'];
  expect(await run('init', '--agree-tos', ...at, ...provider)).toMatchObject({ status: 0 });
  const made = await certbus(folder.path, ['cert', 'mk', '--from', '-'], { input: 'a.move.test\nb.move.test\n' });
  expect(made.status).toBe(0);
});
afterAll(async () => {
  await Promise.all([dns, staging, live].map((each) => each[Symbol.asyncDispose]()));
  folder.remove();
});

test('keys check opens something with each key file, the backup as well, and finds one of another bus', async () => {
  const { status, stdout } = await run('keys', 'check');
  expect(status).toBe(0);
  const shown = (file: string) => stdout.split(/^(?=ok|problem)/m).find((part) => part.includes(`${file} (`)) ?? '';
  expect(shown('root.key')).toContain('signs as the root of this bus');
  expect(shown('manager.key')).toMatch(
    /signs commits as the manager ".+"\n.*opens the configuration of position \d+\n.*account key/,
  );
  expect(shown('loadbalancer.key')).toMatch(/as "loadbalancers"\n +opens the private key of [ab]\.move\.test/);
  expect(shown('backup.key')).toMatch(
    /as "backup"\n +opens the private key of .*\n +opens the ACME account key of https/,
  );
  for (const secret of ['AGE-SECRET', 'SIGNING-KEY', 'ROOT-KEY-1']) expect(stdout).not.toContain(secret);

  writeFileSync(join(folder.path, 'other.key'), await createIdentity(), { mode: 0o600 });
  copyFileSync(join(folder.path, 'root.key'), join(folder.path, 'open.key'));
  writeFileSync(join(folder.path, 'empty.key'), 'nothing', { mode: 0o600 });
  writeFileSync(join(folder.path, 'other.pub'), '# public key: age1abc\n', { mode: 0o644 });
  const files = ['backup.key', 'other.key', 'empty.key', 'none.key', 'bus.pub', 'other.pub'];
  const wrong = await run('keys', 'check', ...files, '--json');
  expect(wrong.status).toBe(10);
  const problems = resultOf(wrong).keys.map(({ kind, problem = '' }: { kind: string; problem?: string }) => [
    kind,
    problem,
  ]);
  expect(problems).toEqual([
    ['identity', ''],
    ['identity', expect.stringContaining('no such recipient')],
    ['unknown', expect.stringContaining('not an age identity')],
    ['unknown', expect.stringContaining('does not exist')],
    ['unknown', 'it is a trust file, which has no key and which others may read'],
    ['unknown', 'it has public keys only, which others may read: name the file with the private ones'],
  ]);
});

test('conf use asks before it changes anything, and says what it knows', async () => {
  const before = (await run('conf', 'display')).stdout;
  const at = ['--directory', live.directory, '--roots', 'live.pem'];
  const refusals: [string[], number, string][] = [
    [['conf', 'use', 'prodction'], 4, 'No CA is called "prodction". Did you mean "production"?'],
    [['conf', 'use', 'live', ...at, '--yes'], 2, 'add --agree-tos'],
    [['conf', 'use', 'live', ...at, '--agree-tos'], 2, '2 certificates would be issued again.'],
    [['conf', 'use', 'live', ...at, '--agree-tos', '--from', 'co'], 4, 'Did you mean "ca"?'],
    [['conf', 'use', 'live', ...at, '--agree-tos', '--yes', '--contact', 'ops@'], 2, 'is not an e-mail address'],
  ];
  for (const [args, status, message] of refusals)
    expect(await run(...args)).toMatchObject({ status, stderr: expect.stringContaining(message) });
  expect((await run('conf', 'display')).stdout).toBe(before);
});

test('conf use registers, makes the CA the default, and moves the certificates; run again it goes on', async () => {
  const at = ['--directory', live.directory, '--roots', 'live.pem', '--agree-tos'];
  const chosen = await run('conf', 'use', 'live', ...at, '--no-reissue');
  expect(chosen).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/^live is the default CA now, with the account https/),
  });
  expect(chosen.stdout).toMatch(/a\.move\.test\n.*b\.move\.test\n/);
  const config = JSON.parse((await run('conf', 'display')).stdout);
  expect(config).toMatchObject({
    defaultAuthority: 'live',
    authorities: { live: { contact: ['mailto:ops@example.com'], directory: live.directory } },
  });
  const authorities = async () => (await run('cert', 'ls', '--columns', 'names,authority', '--sort', 'name')).stdout;
  const { host: stagingHost } = new URL(staging.directory);
  const { host } = new URL(live.directory);
  expect(await authorities()).toBe(`a.move.test\t${stagingHost}\nb.move.test\t${stagingHost}\n`);

  const one = await run('cert', 'renew', 'a.move.test', '--authority', 'live', '--yes');
  expect(one.status).toBe(0);
  const moved = await run('conf', 'use', 'live', '--from', 'ca', '--yes', '--json');
  expect(resultOf(moved)).toMatchObject({
    authority: 'live',
    certificates: [{ names: ['b.move.test'] }],
    left: [],
  });
  expect(await authorities()).toBe(`a.move.test\t${host}\nb.move.test\t${host}\n`);
  expect(resultOf(await run('conf', 'use', 'live', '--from', 'ca', '--json'))).toMatchObject({
    certificates: [],
    left: [],
  });
});
