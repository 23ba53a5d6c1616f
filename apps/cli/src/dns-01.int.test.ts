import { Resolver } from 'node:dns/promises';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart, startBind, startPebble, startPowerDns, temporaryFolder } from 'certbus-testing';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { certbus } from './cli.builders.ts';

const temporary = temporaryFolder();
const ZONES = [{ name: 'zone.test' }];
const pebble = requirePart('pebble');

afterAll(() => temporary.remove());

/** A host that the CA asks, as settings name it, with the secret apart. */
interface Host {
  readonly address: string;
  readonly settings: object;
  readonly secret: string;
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

describe.each([
  { title: 'BIND, by signed updates', part: requirePart('bind'), start: bind },
  { title: 'PowerDNS, by its API', part: requirePart('powerdns'), start: powerDns },
])('$title', ({ part, start }) => {
  const reason = pebble.skip ? pebble : part;
  test.skipIf(pebble.skip || part.skip)(
    reason.title('a wildcard and its apex are proved at a real CA, and nothing is left behind'),
    async () => {
      const { address, settings, secret } = await start();
      const ca = await startPebble({ dnsServer: address });
      onTestFinished(() => ca.stop());
      const site = join(temporary.path, address.replace(':', '-'));
      mkdirSync(site);
      writeFileSync(join(site, 'roots.pem'), ca.roots);
      const run = (args: readonly string[], input = '') =>
        certbus(site, args, { input, env: { CERTBUS_SECRET_DNS: secret } });
      const made = await run(['init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem']);
      expect(made.stderr).not.toContain('Error');
      const stored = JSON.parse((await run(['conf', 'display'])).stdout);
      const dns = [{ zones: ['*'], resolver: [address], nameServers: [address], ...settings }];
      const updated = await run(['conf', 'update'], JSON.stringify({ ...stored, dns }));
      expect(updated).toMatchObject({ status: 0 });
      const issued = await run(['cert', 'mk', '--wildcard', 'zone.test']);
      expect(issued.stderr).not.toContain('Error');
      expect(issued.status).toBe(0);
      expect((await run(['cert', 'ls'])).stdout).toContain('*.zone.test, zone.test');
      const resolver = new Resolver({ timeout: 2000, tries: 3 });
      resolver.setServers([address]);
      await expect(resolver.resolveTxt('_acme-challenge.zone.test')).rejects.toThrow(/ENODATA|ENOTFOUND/);
      for (const { stdout, stderr } of [updated, issued]) expect(stdout + stderr).not.toContain(secret);
    },
    120_000,
  );
});
