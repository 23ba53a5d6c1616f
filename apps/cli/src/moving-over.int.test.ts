/** Tests of moving over from certbot, lego and Caddy: what these left is imported, and renewed without them. */
import { execFile } from 'node:child_process';
import { createHash, createPrivateKey, createPublicKey } from 'node:crypto';
import { globSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type AcmeServer, type DnsServer, startAcmeServer, startDnsServer } from '@certbus/acme-server';
import {
  type AcmeClient,
  findCaddy,
  findCertbot,
  findLego,
  requirePart,
  startService,
  temporaryFolder,
} from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const clients = requirePart('acme-clients');
const folder = temporaryFolder();
const at = (...names: string[]) => join(folder.path, ...names);
let dns: DnsServer;
let ca: AcmeServer;
let webroot: Server;
let port: number;

/** Serves the answers of clients that write them into a folder. */
async function serveWebroot(): Promise<Server> {
  mkdirSync(at('webroot', '.well-known', 'acme-challenge'), { recursive: true });
  const server = createServer(({ url = '' }, response) => {
    try {
      response.end(readFileSync(at('webroot', url)));
    } catch {
      response.writeHead(404).end();
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

const run = promisify(execFile);
const call = ({ command, args, env }: AcmeClient, ...more: string[]) =>
  run(command, [...args, ...more], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder.path, ...env },
    cwd: folder.path,
  });

/** Gets certificates by Debian's certbot. */
async function withCertbot(names: readonly string[]): Promise<string> {
  const certbot = await findCertbot();
  const trusting = { ...certbot, env: { ...certbot.env, REQUESTS_CA_BUNDLE: at('roots.pem') } };
  const places = ['config', 'work', 'logs'].flatMap((name) => [`--${name}-dir`, at('letsencrypt', name)]);
  for (const name of names)
    await call(
      trusting,
      ...[
        'certonly',
        '--non-interactive',
        '--agree-tos',
        '--register-unsafely-without-email',
        '--server',
        ca.directory,
      ],
      ...[...places, '--webroot', '--webroot-path', at('webroot'), '--domain', name],
    );
  return at('letsencrypt', 'config');
}

/** Gets a certificate by Debian's lego. */
async function withLego([name = '']: readonly string[]): Promise<string> {
  const lego = await findLego();
  const trusting = { ...lego, env: { LEGO_CA_CERTIFICATES: at('roots.pem') } };
  const common = ['--server', ca.directory, '--email', 'ops@move.test', '--accept-tos', '--path', at('lego')];
  await call(trusting, ...common, '--http', '--http.webroot', at('webroot'), '--domains', name, 'run');
  return at('lego');
}

/** Gets a certificate by Debian's Caddy, which answers at the port of the challenge itself. */
async function withCaddy([name = '']: readonly string[]): Promise<string> {
  webroot.close();
  const caddy = await findCaddy();
  const config = `{
  storage file_system ${at('caddy')}
  admin off
  http_port ${port}
  https_port 0
  acme_ca ${ca.directory}
  acme_ca_root ${at('roots.pem')}
  email ops@move.test
}
${name} {
  tls {
    issuer acme {
      dir ${ca.directory}
      trusted_roots ${at('roots.pem')}
      disable_tlsalpn_challenge
    }
  }
}
`;
  writeFileSync(at('Caddyfile'), config);
  const isIssued = () => globSync(at('caddy', 'certificates', '*', name, `${name}.json`)).length > 0;
  const service = await startService(caddy.command, ['run', '--adapter', 'caddyfile', '--config', at('Caddyfile')], {
    env: { HOME: folder.path },
    isReady: async () => isIssued(),
  });
  await service.stop();
  return at('caddy');
}

/** RFC 7638 thumbprint of an account key: PEM, or a JWK in JSON. */
function thumbprintOf(text: string): string {
  const key = text.startsWith('{')
    ? createPrivateKey({ key: JSON.parse(text), format: 'jwk' })
    : createPrivateKey(text);
  const { crv, kty, x, y, e, n } = createPublicKey(key).export({ format: 'jwk' });
  const fields = kty === 'RSA' ? { e, kty, n } : { crv, kty, x, y };
  return createHash('sha256').update(JSON.stringify(fields)).digest('base64url');
}

/** Each client, how it gets certificates, and where it keeps the key of its account. */
const CLIENTS = {
  certbot: { obtain: withCertbot, names: ['one.move.test', 'two.move.test'], account: 'accounts/**/private_key.json' },
  lego: { obtain: withLego, names: ['lego.move.test'], account: 'accounts/**/*.key' },
  // It listens at the port itself, so it is the last.
  caddy: { obtain: withCaddy, names: ['caddy.move.test'], account: 'acme/**/*.key' },
} as const;

describe.skipIf(clients.skip)(clients.title('certificates of other ACME clients'), () => {
  const site = (...args: string[]) => certbus(folder.path, args);

  beforeAll(async () => {
    dns = await startDnsServer();
    webroot = await serveWebroot();
    ({ port } = webroot.address() as AddressInfo);
    ca = await startAcmeServer({ validation: { dnsServer: dns.address, httpPort: port } });
    writeFileSync(at('roots.pem'), ca.roots);
    const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url, '--resolver', dns.address];
    const init = await site('init', '--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', ...provider);
    expect(init.status).toBe(0);
  });
  afterAll(async () => {
    webroot.close();
    await Promise.all([ca, dns].map((each) => each[Symbol.asyncDispose]()));
    folder.remove();
  });

  /** Imports what a client left, and renews it as the same manager would later. */
  async function moveOver({ obtain, names, account }: (typeof CLIENTS)[keyof typeof CLIENTS]): Promise<void> {
    const source = await obtain(names);
    const args = ['cert', 'import', source, '--manage', '--replace-account', '--yes', '--json'];
    const report = resultOf(await site(...args));
    const managed = { outcome: 'imported', renewedAt: ca.directory };
    expect(report.certificates).toMatchObject(names.map((each) => ({ ...managed, names: [each] })));
    const [keyFile = ''] = globSync(join(source, account));
    const thumbprint = thumbprintOf(readFileSync(keyFile, 'utf8'));
    expect(report.accounts).toMatchObject([
      { outcome: expect.stringMatching(/^(?:imported|replaced)$/), directory: ca.directory, thumbprint },
    ]);
    const again = resultOf(await site(...args));
    expect(new Set([...again.certificates, ...again.accounts].map(({ outcome }) => outcome))).toEqual(
      new Set(['unchanged']),
    );
    const [name = ''] = names;
    expect(resultOf(await site('cert', 'renew', name, '--yes', '--json'))).toMatchObject({ outcome: 'issued' });
    const [last] = resultOf(await site('bus', 'log', '--type', 'IssuanceStarted', '--json')).commits.slice(-1);
    // The renewal says what it replaces, as a CA takes it only from the account that the former one was issued for.
    expect(last.events).toMatchObject([{ names: [name], reason: 'renewal', replaces: expect.any(String) }]);
  }

  test('what certbot, lego and Caddy left is imported with its account, and renewed as its successor', {
    tags: 'full',
  }, async () => {
    for (const client of sized({ small: ['certbot'] as const, full: ['certbot', 'lego', 'caddy'] as const }))
      await moveOver(CLIENTS[client]);
  });
});
