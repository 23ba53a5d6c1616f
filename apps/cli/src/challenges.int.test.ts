/** Tests of every challenge type, with a CA, load balancers and the command line as processes. */
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { connect as dial } from 'node:tls';
import { startAcmeServer, startDnsServer } from '@certbus/acme-server';
import { startExampleServer } from 'certbus-example-server';
import {
  type ChallTestSrv,
  freePort,
  type Pebble,
  requirePart,
  startChallTestSrv,
  startPebble,
  startS3Server,
  startStepCa,
  temporaryFolder,
} from 'certbus-services';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { certbus, resultOf } from './cli.builders.ts';

const pebble = requirePart('pebble');
const s3Part = requirePart('s3');
const stepPart = requirePart('step-ca');
const temporary = temporaryFolder();

afterAll(() => temporary.remove());

/** What a site needs of a CA. */
interface AnyCa {
  readonly directory: string;
  /** PEM. */
  readonly roots: string;
  readonly httpPort: number;
  readonly tlsPort: number;
  issuedRoots(): Promise<string>;
}

/** A bus of its own with a load balancer that follows it at the ports where the CA looks. */
async function openSite(folder: string, ca: AnyCa, dns: { readonly dns: string; readonly url: string }) {
  mkdirSync(folder);
  writeFileSync(join(folder, 'roots.pem'), ca.roots);
  const authority = ['--agree-tos', '--directory', ca.directory, '--roots', 'roots.pem', '--resolver', dns.dns];
  const ports = ['--http01-port', String(ca.httpPort), '--tls-alpn01-port', String(ca.tlsPort)];
  const provider = ['--dns-provider', 'challtestsrv', '--dns-url', dns.url];
  const { status, stderr } = await certbus(folder, ['init', ...authority, ...ports, ...provider]);
  if (status !== 0) throw new Error(stderr);
  const server = await startExampleServer({
    bus: `sqlite:${join(folder, 'bus.db')}#certbus`,
    identity: join(folder, 'loadbalancer.key'),
    trust: join(folder, 'bus.pub'),
    stateDirectory: join(folder, 'state'),
    port: ca.tlsPort,
    httpPort: ca.httpPort,
    intervalMs: 200,
  });
  return {
    close: () => server.close(),

    /** Makes a certificate, and waits until the load balancer has it. */
    async make(...args: string[]): Promise<{ readonly id: string; readonly names: readonly string[] }> {
      const ended = await certbus(folder, ['cert', 'mk', ...args]);
      expect(ended).toMatchObject({ status: 0, stderr: expect.not.stringContaining('Error') });
      const id = ended.stdout.trim();
      const find = () => [...server.client.certificates()].find(({ certificateId }) => certificateId === id);
      await expect.poll(find).toBeDefined();
      return { id, names: find()?.names ?? [] };
    },

    /** The names that the load balancer shows to who asks for this one. */
    async shownFor(servername: string): Promise<string | undefined> {
      const roots = await ca.issuedRoots();
      return new Promise((resolve, reject) => {
        const socket = dial({ host: '127.0.0.1', port: ca.tlsPort, servername, ca: roots }, () => {
          resolve(socket.getPeerCertificate().subjectaltname);
          socket.destroy();
        });
        socket.on('error', reject);
      });
    },
  };
}

type Site = Awaited<ReturnType<typeof openSite>>;

test('the strict server takes what load balancers answer to tls-alpn-01, for a name and for an address', async () => {
  const dns = await startDnsServer();
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  const server = await startAcmeServer({ validation: { dnsServer: dns.address, httpPort, tlsPort } });
  const { directory, roots, issuedRoots } = server;
  const ca = { directory, roots, httpPort, tlsPort, issuedRoots: async () => issuedRoots[0] ?? '' };
  const site = await openSite(join(temporary.path, 'strict'), ca, { dns: dns.address, url: dns.url });
  try {
    await site.make('--challenge', 'tls-alpn-01', '--subdomain', 'strict.test');
    expect(await site.shownFor('strict.test')).toBe('DNS:strict.test');
    await site.make('--challenge', 'tls-alpn-01', '--profile', 'shortlived', '127.0.0.1');
    expect(await site.shownFor('')).toBe('IP Address:127.0.0.1');
  } finally {
    await site.close();
    await server[Symbol.asyncDispose]();
    await dns[Symbol.asyncDispose]();
  }
});

test.skipIf(stepPart.skip)(
  stepPart.title('step-ca takes tls-alpn-01, http-01 and dns-01, a renewal, and a revocation'),
  async () => {
    const dns = await startDnsServer();
    const ca = await startStepCa({ dnsServer: dns.address });
    const folder = join(temporary.path, 'step-ca');
    const issuedRoots = async () => ca.roots;
    const site = await openSite(folder, { ...ca, issuedRoots }, { dns: dns.address, url: dns.url });
    try {
      await site.make('--challenge', 'tls-alpn-01', '--subdomain', 'alpn.test');
      expect(await site.shownFor('alpn.test')).toBe('DNS:alpn.test');
      await site.make('--challenge', 'http-01', '--subdomain', 'http.test');
      expect(await site.shownFor('http.test')).toBe('DNS:http.test');
      const { id } = await site.make('--wildcard', 'dns.test');
      expect(await site.shownFor('any.dns.test')).toBe('DNS:*.dns.test, DNS:dns.test');
      const orders = ca.orders();
      expect(await certbus(folder, ['cert', 'renew', id, '--yes'])).toMatchObject({ status: 0 });
      expect(ca.orders()).toBe(orders + 1);
      expect(await certbus(folder, ['cert', 'revoke', id, '--yes'])).toMatchObject({ status: 0 });
    } finally {
      await site.close();
      await ca.stop();
      await dns[Symbol.asyncDispose]();
    }
  },
);

test('http-01 is proved at two CAs: of one account any token is answered, of the other those that are announced', async () => {
  const dns = await startDnsServer();
  const [httpPort, tlsPort] = [await freePort(), await freePort()];
  const start = () => startAcmeServer({ validation: { dnsServer: dns.address, httpPort, tlsPort } });
  const [one, two] = [await start(), await start()];
  const folder = join(temporary.path, 'two-accounts');
  const ca = { ...one, httpPort, tlsPort, issuedRoots: async () => one.issuedRoots[0] ?? '' };
  const site = await openSite(folder, ca, { dns: dns.address, url: dns.url });
  const countAnnounced = async () =>
    (await certbus(folder, ['bus', 'log'])).stdout.match(/ChallengePresented .*challengeType=http-01/g)?.length ?? 0;
  const setDefault = async (defaultAuthority: string) => {
    const { position: _, ...json } = JSON.parse((await certbus(folder, ['conf', 'display'])).stdout);
    const second = { directory: two.directory, roots: two.roots, termsOfServiceAgreed: true };
    const authorities = { ...json.authorities, second };
    const input = JSON.stringify({ ...json, authorities, defaultAuthority });
    expect(await certbus(folder, ['conf', 'update'], { input })).toMatchObject({ status: 0 });
  };
  try {
    await site.make('--challenge', 'http-01', '--subdomain', 'one.test');
    await setDefault('second');
    const { id } = await site.make('--challenge', 'http-01', '--subdomain', 'two.test');
    expect(await countAnnounced()).toBe(0);
    await setDefault('ca');
    await site.make('--challenge', 'http-01', '--subdomain', 'three.test');
    expect(await countAnnounced()).toBe(0);
    expect(await certbus(folder, ['cert', 'renew', id, '--yes'])).toMatchObject({ status: 0 });
    expect(await countAnnounced()).toBe(1);
  } finally {
    await site.close();
    await Promise.all([one, two, dns].map((each) => each[Symbol.asyncDispose]()));
  }
});

describe.skipIf(pebble.skip)(pebble.title('every way to prove a name, at a real CA'), () => {
  let dns: ChallTestSrv;
  let ca: Pebble;
  let balancer: Site;
  const site = join(temporary.path, 'pebble');
  const make: Site['make'] = (...args) => balancer.make(...args);
  const shownFor: Site['shownFor'] = (servername) => balancer.shownFor(servername);

  beforeAll(async () => {
    dns = await startChallTestSrv();
    ca = await startPebble({ dnsServer: dns.dns, caaIdentities: ['ca.test'], hasShortlived: true });
    balancer = await openSite(site, ca, dns);
  });
  afterAll(async () => {
    await balancer?.close();
    await ca?.stop();
    await dns?.stop();
  });

  test('tls-alpn-01: a name and its www are proved by the load balancer on its own port', async () => {
    const { names } = await make('--challenge', 'tls-alpn-01', 'alpn.test');
    expect(names).toEqual(['alpn.test', 'www.alpn.test']);
    expect(await shownFor('www.alpn.test')).toBe('DNS:alpn.test, DNS:www.alpn.test');
    const { stdout } = await certbus(site, ['bus', 'log']);
    expect(stdout.match(/ChallengePresented .*identifier=(www\.)?alpn\.test/g)).toHaveLength(2);
    expect((await certbus(site, ['cert', 'ls'])).stdout).toContain('\ttls-alpn-01\talpn.test, www.alpn.test');
  });

  test.each(['tls-alpn-01', 'http-01'])(
    'an IP address is proved by %s and served to who names no server',
    async (type) => {
      const { id, names } = await make('--new', '--challenge', type, '--profile', 'shortlived', '127.0.0.1');
      expect(names).toEqual(['127.0.0.1']);
      expect(await shownFor('')).toBe('IP Address:127.0.0.1');
      expect((await certbus(site, ['cert', 'ls'])).stdout).toContain(`\t${type}\t127.0.0.1`);
      const shown = resultOf(await certbus(site, ['cert', 'cat', id, '--json']));
      expect(shown).toMatchObject({ profile: 'shortlived', challengeType: type });
      expect(Date.parse(shown.notAfter) - Date.parse(shown.notBefore)).toBeLessThanOrEqual(160 * 3_600_000);
    },
  );

  /** Changes the configuration on the bus. */
  async function configure(change: object): Promise<void> {
    const json = JSON.parse((await certbus(site, ['conf', 'display'])).stdout);
    const input = JSON.stringify({ ...json, ...change });
    expect(await certbus(site, ['conf', 'update'], { input })).toMatchObject({ status: 0 });
  }

  test('http-01 is proved by a port of the manager alone, where the configuration says so', async () => {
    await dns.setAddresses('alone.test', ['127.0.0.2']);
    const probe = { port: ca.httpPort, resolver: [dns.dns] };
    await configure({ http01: { answer: { standalone: { address: '127.0.0.2' } }, ...probe } });
    const { names } = await make('--challenge', 'http-01', '--subdomain', 'alone.test');
    expect(names).toEqual(['alone.test']);
    await configure({ http01: { answer: 'clients', ...probe } });
  });

  test.skipIf(s3Part.skip)(s3Part.title('http-01 is proved from a bucket'), async () => {
    const s3 = await startS3Server();
    const web = createServer(({ url = '' }, response) => {
      const file = join(s3.folder, url);
      if (existsSync(file)) response.end(readFileSync(file));
      else response.writeHead(404).end();
    });
    try {
      await new Promise<void>((resolve) => web.listen(ca.httpPort, '127.0.0.3', resolve));
      await dns.setAddresses('bucket.test', ['127.0.0.3']);
      const { bucket, region, endpoint, credentials } = s3;
      const answer = { s3: { bucket, region, endpoint, ...credentials } };
      const probe = { port: ca.httpPort, resolver: [dns.dns] };
      await configure({ http01: { answer, ...probe } });
      expect((await certbus(site, ['conf', 'display'])).stdout).not.toContain(credentials.secretAccessKey);
      const { names } = await make('--challenge', 'http-01', '--subdomain', 'bucket.test');
      expect(names).toEqual(['bucket.test']);
      await configure({ http01: { answer: 'clients', ...probe } });
    } finally {
      web.close().closeAllConnections();
      await s3.stop();
    }
  });

  test('dns-account-01 needs the same DNS settings, and works for wildcards', async ({ skip }) => {
    if (ca.origin !== 'go') return skip('this Pebble does not know dns-account-01');
    const { names } = await make('--challenge', 'dns-account-01', '--wildcard', 'account.test');
    expect(names).toEqual(['*.account.test', 'account.test']);
  });

  test('dns-persist-01 prints the record to set, issues once it stands, and warns of its end', async ({ skip }) => {
    if (ca.origin !== 'go') return skip('this Pebble does not know dns-persist-01');
    await configure({ dnsPersist01: { resolver: [dns.dns], nameServers: [dns.dns] } });
    const args = ['--challenge', 'dns-persist-01', '--wildcard', 'persist.test'];
    const refused = await certbus(site, ['cert', 'mk', ...args]);
    expect(refused).toMatchObject({ status: 6, stderr: expect.stringContaining('no record is for ca.test') });
    const [, host, value] = /^(\S+) 3600 IN TXT "(.*)"\n$/.exec(refused.stdout) ?? [];
    expect(host).toBe('_validation-persist.persist.test.');
    const until = Math.floor(Date.now() / 1000) + 30 * 86_400;
    const record = { host, value: `${value}; persistUntil=${until}` };
    await fetch(`${dns.url}/set-txt`, { method: 'POST', body: JSON.stringify(record) });
    const { id } = await make(...args);
    const renewed = await certbus(site, ['cert', 'renew', id, '--yes']);
    expect(renewed).toMatchObject({
      status: 0,
      stderr: expect.stringMatching(/persist\.test ends on 20.*persistUntil/),
    });
  });

  test.each([
    ['p-384', 'P-384', { namedCurve: 'secp384r1' }],
    ['RSA-2048', 'RSA-2048', { modulusLength: 2048 }],
  ])('a certificate with a %s key is served, and renewals keep its type', async (typed, keyType, details) => {
    const name = `${keyType.toLowerCase()}.test`;
    const { id } = await make('--challenge', 'http-01', '--subdomain', '--key-type', typed, name);
    expect(await shownFor(name)).toBe(`DNS:${name}`);
    const before = resultOf(await certbus(site, ['cert', 'cat', id, '--json']));
    expect((await certbus(site, ['cert', 'renew', id, '--yes'])).status).toBe(0);
    const after = resultOf(await certbus(site, ['cert', 'cat', id, '--json']));
    expect(after.serialNumber).not.toBe(before.serialNumber);
    for (const shown of [before, after]) {
      expect(shown.keyType).toBe(keyType);
      expect(new X509Certificate(shown.pem).publicKey.asymmetricKeyDetails).toMatchObject(details);
    }
  });

  test.each([
    [['--key-type', 'P-521', 'p521.test'], 2, /public CAs refuse P-521/],
    [['127.0.0.1'], 2, /only http-01 and tls-alpn-01/],
    [['--wildcard', '::1'], 2, /leave --wildcard out/],
    [['--challenge', 'http-01', '--profile', 'imaginary', '127.0.0.3'], 5, /no profile "imaginary"/],
  ])('cert mk %j is refused', async (args, status, reason) => {
    const ended = await certbus(site, ['cert', 'mk', ...args]);
    expect(ended).toMatchObject({ status, stderr: expect.stringMatching(reason) });
  });

  test('http-01 is proved by the load balancer too', async () => {
    await make('--challenge', 'http-01', '--subdomain', 'http.test');
    expect(await shownFor('http.test')).toBe('DNS:http.test');
  });
});
