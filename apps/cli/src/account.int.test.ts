/** Tests of the account commands, as processes. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

describe('the accounts of a bus', () => {
  const folder = temporaryFolder();
  let dns: DnsServer;
  let ca: AcmeServer;
  const run = (...args: string[]) => certbus(folder.path, args);

  beforeAll(async () => {
    dns = await startDnsServer();
    ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
    writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
    const where = ['--directory', ca.directory, '--roots', 'roots.pem'];
    const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
    const { status } = await run('init', '--agree-tos', ...where, ...provider);
    expect(status).toBe(0);
  });
  afterAll(async () => {
    await ca[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
    folder.remove();
  });

  test('are registered once, listed, get a fresh key, and are given up; a certificate is made in between', async () => {
    const first = (await run('account', 'register')).stdout.trim();
    expect(first).toMatch(/^https:\/\/127\.0\.0\.1:\d+\/\S+$/);
    expect((await run('account', 'register')).stdout.trim()).toBe(first);
    const [line = ''] = (await run('account', 'ls')).stdout.split('\n');
    const [name, directory, accountUrl, thumbprint = ''] = line.split('\t');
    expect([name, directory, accountUrl]).toEqual(['ca', ca.directory, first]);

    const rolled = resultOf(await run('account', 'rollover', '--json'));
    expect(rolled.accounts).toMatchObject([{ directory: ca.directory, accountUrl: first }]);
    expect(rolled.accounts[0].thumbprint).not.toBe(thumbprint);
    const { status, stdout: id } = await run('cert', 'mk', 'rolled.test');
    expect(status).toBe(0);
    expect((await run('cert', 'cat', id.trim())).stdout).toMatch(
      /^because +by its lifetime; the CA has not given a window/m,
    );
    expect(await run('cert', 'renewable', '--renew-all')).toMatchObject({ status: 0 });
    expect((await run('cert', 'cat', id.trim())).stdout).toMatch(
      /^because +the CA asks for it from \d{4}-\S+ to \d{4}-/m,
    );

    for (const flags of [[], ['--json']]) {
      const unasked = await run('account', 'deactivate', 'ca', ...flags);
      expect(unasked.status).toBe(2);
      expect(unasked.stdout + unasked.stderr).toContain('--yes');
    }
    expect((await run('account', 'ls')).stdout).toContain(first);
    expect(await run('account', 'deactivate', 'ca', '--yes')).toMatchObject({
      status: 0,
      stdout: `deactivated ${first}\n`,
    });
    expect(await run('account', 'ls')).toMatchObject({ status: 0, stdout: '' });
    expect(await run('cert', 'mk', 'closed.test')).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/stays managed: .*certbus cert rm \S+" forgets it.*CERTBUS_MANAGER_ACCOUNT_CLOSED/),
    });
    const renewed = await run('cert', 'renew', id.trim(), '--yes');
    expect(renewed).toMatchObject({ status: 3, stderr: expect.stringContaining('was deactivated') });
  });

  test('what cannot be done says what to do', async () => {
    expect(await run('account', 'register', 'nowhere')).toMatchObject({
      status: 3,
      stderr: expect.stringMatching(/no authority "nowhere" \(it has: \w+\)/),
    });
    // What is not there is not asked about.
    for (const flags of [['--yes'], []]) {
      expect(await run('account', 'deactivate', 'ca', ...flags)).toMatchObject({
        status: 3,
        stderr: expect.stringContaining('certbus account register'),
      });
      expect(await run('account', 'deactivate', 'nowhere', ...flags)).toMatchObject({
        status: 3,
        stderr: expect.stringContaining('no authority "nowhere"'),
      });
    }
  });
});

test('an account whose key the CA cannot change keeps it, or is replaced where that is asked for', async () => {
  const folder = temporaryFolder();
  await using ca = await startAcmeServer({ keyChange: 'not-implemented' });
  const run = (...args: string[]) => certbus(folder.path, args);
  try {
    writeFileSync(join(folder.path, 'roots.pem'), ca.roots);
    const where = ['--directory', ca.directory, '--roots', 'roots.pem'];
    expect(await run('init', '--agree-tos', ...where)).toMatchObject({ status: 0 });
    const accounts = async () => resultOf(await run('account', 'ls', '--json')).accounts;
    const [first] = await accounts();
    expect(await run('account', 'rollover')).toMatchObject({
      status: 5,
      stderr: expect.stringMatching(/keeps its key.*account rollover --replace.*CERTBUS_ACME_KEY_CHANGE_UNSUPPORTED/s),
    });
    expect(await accounts()).toEqual([first]);
    expect(await run('account', 'rollover', '--replace')).toMatchObject({ status: 2 });
    const { status, stdout } = await run('account', 'rollover', '--replace', '--yes');
    const [second] = await accounts();
    expect([status, stdout]).toEqual([0, `${second.accountUrl} has a fresh key, ${second.thumbprint}\n`]);
    expect(second.accountUrl).not.toBe(first.accountUrl);
    expect((await run('bus', 'log')).stdout).toContain(`AccountDeactivated directory=${ca.directory}`);
  } finally {
    folder.remove();
  }
});
