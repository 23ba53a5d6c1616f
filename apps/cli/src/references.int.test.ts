/** Tests of commands and of the daemon whose keys and secrets are in AWS, against moto, as processes. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startAcmeServer } from '@certbus/acme-server';
import { requirePart, startAwsAccount, temporaryFolder } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { beginSite } from './begin-site.builders.ts';
import { certbus } from './cli.builders.ts';
import { startHttpReq } from './http-req.builders.ts';

const missing = [requirePart('moto'), requirePart('iam-judge')].find(({ skip }) => skip);

describe.skipIf(missing)(missing?.title('secrets in AWS') ?? 'secrets in AWS', () => {
  test('a command and the daemon sign with a key, and prove names with a secret, that are in AWS alone', async () => {
    const temporary = temporaryFolder();
    onTestFinished(() => temporary.remove());
    const site = join(temporary.path, 'site');
    await beginSite(site);
    const [account, host] = await Promise.all([startAwsAccount(), startHttpReq()]);
    onTestFinished(() => account.stop());
    const ca = await startAcmeServer({ validation: { dnsServer: host.address } });
    onTestFinished(() => ca[Symbol.asyncDispose]());
    const managerKey = readFileSync(join(site, 'manager.key'), 'utf8');
    await account.putParameter('/certbus/manager-key', managerKey);
    await account.createSecret('certbus/dns', host.secret);
    rmSync(join(site, 'manager.key'));
    const Statement = [
      { Effect: 'Allow', Action: 'ssm:GetParameter', Resource: account.arn('ssm', 'parameter/certbus/manager-key') },
      {
        Effect: 'Allow',
        Action: 'secretsmanager:GetSecretValue',
        Resource: account.arn('secretsmanager', 'secret:certbus/dns-??????'),
      },
    ];
    const role = account.proxy.addRole('certbus-manager', [{ Version: '2012-10-17', Statement }]);
    const at = (reference: string) => `${reference}?region=${account.region}&endpoint=${account.endpoint}`;
    const env = {
      AWS_ACCESS_KEY_ID: role.accessKeyId,
      AWS_SECRET_ACCESS_KEY: role.secretAccessKey,
      AWS_CONFIG_FILE: '/dev/null',
      CERTBUS_MANAGER_KEY: at('ssm:/certbus/manager-key'),
      CERTBUS_SECRET_DNS: at('secretsmanager:certbus/dns'),
      CERTBUS_SECRET_DNS_HOSTS: host.url.replace('http://', ''),
    };
    const written: string[] = [];
    const run = async (args: readonly string[], more: Parameters<typeof certbus>[2] = {}) => {
      const ended = await certbus(site, args, { ...more, env: { ...env, ...more.env } });
      written.push(ended.stdout, ended.stderr);
      return ended;
    };
    const configuration = {
      version: 1,
      authorities: { ca: { directory: ca.directory, roots: ca.roots, termsOfServiceAgreed: true } },
      defaultAuthority: 'ca',
      dns: [{ zones: ['*'], resolver: [host.address], nameServers: [host.address], ...host.settings }],
    };
    expect(await run(['conf', 'update'], { input: JSON.stringify(configuration) })).toMatchObject({ status: 0 });
    expect(await run(['cert', 'mk', '--subdomain', 'a.zone.test'])).toMatchObject({ status: 0 });
    // What a command leaves is the daemon's.
    const left = await run(['cert', 'mk', '--subdomain', 'b.zone.test'], { interruptAt: 'the CA has the order' });
    expect(left.status).toBe(130);
    const daemon = { env: { CERTBUS_STATE_DIR: join(site, 'daemon') }, interruptAt: '1 renewed' };
    expect(await run(['run', '--no-pages'], daemon)).toMatchObject({ status: 0 });
    const { stdout } = await run(['cert', 'ls']);
    expect(stdout).toMatch(/\tvalid\t.*\ta\.zone\.test$/m);
    expect(stdout).toMatch(/\tvalid\t.*\tb\.zone\.test$/m);
    const denied = await run(['cert', 'mk', '--subdomain', 'c.zone.test'], {
      env: { CERTBUS_SECRET_DNS: at('secretsmanager:other') },
    });
    expect(denied.stderr).toMatch(
      /CERTBUS_SECRET_DNS cannot be read from secretsmanager:other.*certbus-manager.*secretsmanager:GetSecretValue/,
    );
    expect(denied.status).not.toBe(0);
    for (const secret of [host.secret, ...managerKey.split('\n').filter((line) => /KEY/.test(line))])
      expect(written.join('\n')).not.toContain(secret);
  });
});
