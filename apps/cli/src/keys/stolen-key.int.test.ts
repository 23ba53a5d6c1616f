/** Test that the commands which an expulsion prints revoke what the thief obtained, and nothing else. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { createManagerKey } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { certbus, type Ended, resultOf } from '../cli.builders.ts';

test('the commands that an expulsion prints revoke exactly what the thief obtained, also once it was replaced', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  await using dns = await startDnsServer();
  await using ca = await startAcmeServer({ validation: { dnsServer: dns.address } });
  const revoked: string[] = [];
  // Serial numbers in commands are Node's, which leave a leading zero byte out.
  ca.on('revocation', ({ serial }) => void revoked.push(serial.toUpperCase().replace(/^00/, '')));
  const site = join(folder.path, 'site');
  mkdirSync(site);
  async function run(line: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
    const ended = await certbus(site, line.split(' '), { env });
    expect(ended, line).toMatchObject({ status: 0 });
    return ended;
  }
  writeFileSync(join(site, 'roots.pem'), ca.roots);
  const at = `--directory ${ca.directory} --roots roots.pem --dns-url ${dns.url} --resolver ${dns.address}`;
  await run(`init --agree-tos --dns-provider challtestsrv ${at}`);
  const key = await createManagerKey();
  writeFileSync(join(site, 'thief.key'), key, { mode: 0o600 });
  writeFileSync(join(site, 'thief.pub'), key.replaceAll(/^[^#].*\n/gm, ''));
  await run('manager add laptop --key thief.pub --yes');
  await run('cert mk --subdomain good.test');
  const since = resultOf(await run('manager ls --json')).position + 1;
  const thief = { CERTBUS_MANAGER_KEY_FILE: 'thief.key' };
  await run('cert renew good.test --yes', thief);
  await run('cert mk --subdomain taken.test', thief);

  const expel = `manager expel laptop --since ${since}`;
  const { plan } = resultOf(await run(`${expel} --dry-run --json`));
  const serials: string[] = plan.certificates.map(({ serialNumber }: { serialNumber: string }) => serialNumber);
  const { stdout } = await run(`${expel} --yes`);
  const commands = stdout.split('\n').filter((line) => line.startsWith('certbus cert revoke '));
  expect(commands.map((command) => command.split(' ')[5])).toEqual(serials);
  await run('cert renewable --renew-all');
  for (const command of commands) await run(`${command.slice('certbus '.length)} --yes`);
  expect([revoked.length, revoked.toSorted()]).toEqual([2, serials.toSorted()]);
  expect(resultOf(await run(`${expel} --yes --json`)).expulsion.certificates).toEqual([]);
  // What is served is neither the thief's nor revoked.
  await run('cert check');
  expect((await run('cert renewable')).stdout).toBe('');
});
