import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, connect as dial, type Server, type TlsOptions } from 'node:tls';
import { createTlsIdentity } from 'certbus-services';
import { afterEach, expect, test } from 'vitest';
import type { CertBus, ConnectOptions } from '../cert-bus.ts';
import { connect } from '../connect.ts';
import { createTestBus, type TestBus } from '../testing.ts';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});

async function newBus(): Promise<TestBus> {
  const bus = await createTestBus();
  open.push(bus);
  return bus;
}

async function newClient(test: TestBus, options: Partial<ConnectOptions> = {}): Promise<CertBus> {
  const { bus, identity, trust } = test;
  const client = await connect({ bus, identity, trust, replica: ':memory:', intervalMs: 50, ...options });
  open.push(client);
  return client;
}

async function serve(client: CertBus, server: Server): Promise<number> {
  client.attach(server).on('tlsClientError', () => {});
  server.on('secureConnection', (socket) => socket.on('error', () => {}));
  server.listen(0, '0.0.0.0');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

const listen = (client: CertBus, own: TlsOptions = {}): Promise<number> =>
  serve(client, createServer(client.tlsOptions(own)));

interface Hello {
  readonly host?: string;
  readonly servername?: string;
  readonly session?: Buffer;
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
}

/** The serial number that a server shows, and whether the session was resumed. Without `servername` none is sent. */
function ask(
  port: number,
  { host = '127.0.0.1', servername = '', session, maxVersion = 'TLSv1.3' }: Hello = {},
): Promise<{ serialNumber: string | undefined; reused: boolean; session: Buffer | undefined }> {
  return new Promise((resolve, reject) => {
    const options = { host, port, servername, maxVersion, rejectUnauthorized: false, ...(session ? { session } : {}) };
    const socket = dial(options, () => {
      const answer = {
        serialNumber: socket.getPeerX509Certificate()?.serialNumber,
        reused: socket.isSessionReused(),
        session: socket.getSession(),
      };
      socket.destroy();
      resolve(answer);
    });
    socket.on('error', reject);
  });
}

/** The protocol that a CA gets at this port. */
function alpnAt(port: number): Promise<string | false | null> {
  return new Promise((resolve) => {
    const how = { host: '127.0.0.1', port, servername: 'named.test', ALPNProtocols: ['acme-tls/1'] };
    const socket = dial({ ...how, rejectUnauthorized: false }, () => {
      resolve(socket.alpnProtocol);
      socket.destroy();
    });
    socket.on('error', () => resolve(null));
  });
}

const serialAt = async (port: number, hello?: Hello) => (await ask(port, hello)).serialNumber;

test('a client that names no server gets the certificate of the address that it came to', async () => {
  const bus = await newBus();
  const one = await bus.issue(['127.0.0.1']);
  const other = await bus.issue(['127.0.0.2', 'named.test']);
  const client = await newClient(bus);
  const port = await listen(client);
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    for (const [host, { serialNumber }] of [['127.0.0.1', one] as const, ['127.0.0.2', other] as const])
      expect(await serialAt(port, { host, maxVersion })).toBe(serialNumber);
    expect(await serialAt(port, { servername: 'named.test', maxVersion })).toBe(other.serialNumber);
  }
  const many = Array.from({ length: 20 }, async (_, n) => serialAt(port, { host: `127.0.0.${1 + (n % 2)}` }));
  expect(await Promise.all(many)).toEqual(many.map((_, n) => [one, other][n % 2]?.serialNumber));
});

test('an address without a certificate gets that of the default name, or none; never that of another address', async () => {
  const bus = await newBus();
  const address = await bus.issue(['127.0.0.1']);
  const named = await bus.issue(['a.test']);
  const withDefault = await listen(await newClient(bus, { defaultName: 'a.test' }));
  expect(await serialAt(withDefault)).toBe(address.serialNumber);
  expect(await serialAt(withDefault, { host: '127.0.0.2' })).toBe(named.serialNumber);
  const without = await listen(await newClient(bus));
  expect(await serialAt(without)).toBe(address.serialNumber);
  await expect(ask(without, { host: '127.0.0.2' })).rejects.toThrow(/handshake failure|no shared cipher/);
  await expect(ask(without, { servername: 'unknown.test' })).rejects.toThrow();
});

test('where addresses are translated on the way, the public one is named as default', async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['203.0.113.7', '2001:db8::7']);
  const client = await newClient(bus, { defaultName: '2001:DB8:0::7' });
  expect(await serialAt(await listen(client))).toBe(serialNumber);
  expect(await client.secureContextFor('203.0.113.7')).toBeDefined();
});

test('a renewal is shown, a removal is not any more, and other sessions outlive both', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const first = await bus.issue(['127.0.0.1']);
  const client = await newClient(bus);
  const port = await listen(client);
  expect(await serialAt(port)).toBe(first.serialNumber);
  const { session } = await ask(port, { servername: 'a.test', maxVersion: 'TLSv1.2' });
  const second = await bus.issue(['127.0.0.1']);
  await expect.poll(() => serialAt(port)).toBe(second.serialNumber);
  const resumed = await ask(port, { servername: 'a.test', maxVersion: 'TLSv1.2', ...(session ? { session } : {}) });
  expect(resumed.reused).toBe(true);
  await bus.remove(second.certificateId);
  await expect.poll(() => serialAt(port).catch(() => 'refused')).toBe('refused');
});

test("a server's own settings and its own certificate stay", async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['127.0.0.1']);
  const { certificate, key } = await createTlsIdentity();
  const port = await listen(await newClient(bus), { cert: certificate, key, minVersion: 'TLSv1.3' });
  expect(await serialAt(port)).toBe(serialNumber);
  const own = await serialAt(port, { host: '127.0.0.2' });
  expect(own).not.toBe(serialNumber);
  expect(own).toBeDefined();
  expect(await serialAt(port)).toBe(serialNumber);
  await expect(ask(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
});

test("what is added to the options, and what another server was made with, changes nothing of a server's settings", async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['127.0.0.1']);
  const client = await newClient(bus);
  const { certificate: ca } = await createTlsIdentity();
  const added = await serve(client, createServer({ ...client.tlsOptions(), minVersion: 'TLSv1.3' }));
  const first = createServer(client.tlsOptions({ minVersion: 'TLSv1.3', ca }));
  const second = createServer(client.tlsOptions({ maxVersion: 'TLSv1.2' }));
  const [strict, old] = [await serve(client, first), await serve(client, second)];
  for (const port of [added, strict]) {
    expect(await serialAt(port)).toBe(serialNumber);
    await expect(ask(port, { maxVersion: 'TLSv1.2' })).rejects.toThrow(/protocol version/);
  }
  expect(await serialAt(old, { maxVersion: 'TLSv1.2' })).toBe(serialNumber);
  expect([first, second].map((server) => (server as Server & { ca?: unknown }).ca)).toEqual([ca, undefined]);
});

test('a default certificate that does not fit the settings of a server is an alarm, and what fits is shown', async () => {
  const bus = await newBus();
  await bus.issue(['named.test']);
  const rsa = await bus.issue(['127.0.0.1'], { keyType: 'rsa-2048' });
  const other = await bus.issue(['127.0.0.2']);
  const client = await newClient(bus);
  const alarms: unknown[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { certificate, key } = await createTlsIdentity();
  const port = await listen(client, { cert: certificate, key, ciphers: 'DEFAULT@SECLEVEL=3' });
  const own = await serialAt(port);
  expect(own).toBeDefined();
  expect(own).not.toBe(rsa.serialNumber);
  expect(await serialAt(port)).toBe(own);
  for (let times = 0; times < 2; times += 1) {
    expect(await serialAt(port, { host: '127.0.0.2' })).toBe(other.serialNumber);
    expect(await serialAt(port)).toBe(own);
  }
  expect(alarms).toMatchObject([
    { code: 'CERTBUS_CLIENT_KEY_NOT_OPENED', message: expect.stringMatching(/does not fit the settings.*too small/) },
  ]);
  const ecdsa = await bus.issue(['127.0.0.1']);
  await expect.poll(() => serialAt(port)).toBe(ecdsa.serialNumber);
  expect(alarms).toHaveLength(1);
});

test('several addresses and a challenge at once are no trouble to anybody', async () => {
  const bus = await newBus();
  const one = await bus.issue(['127.0.0.1']);
  const other = await bus.issue(['127.0.0.2']);
  const named = await bus.issue(['named.test']);
  const client = await newClient(bus);
  const port = await listen(client);
  await bus.append({
    type: 'ChallengePresented',
    issuanceId: 'issuance01',
    challengeType: 'tls-alpn-01',
    identifier: 'named.test',
    token: 'token',
    thumbprint: 'A'.repeat(43),
    expiresAt: new Date(Date.now() + 3_600_000).toISOString(),
  });
  await expect.poll(() => alpnAt(port)).toBe('acme-tls/1');
  const wanted = [one, other, named];
  const asked = Array.from({ length: 30 }, async (_, n) =>
    serialAt(
      port,
      n % 3 === 2 ? { servername: 'named.test', host: `127.0.0.${1 + (n % 2)}` } : { host: `127.0.0.${1 + (n % 3)}` },
    ),
  );
  expect(await Promise.all(asked)).toEqual(asked.map((_, n) => wanted[n % 3]?.serialNumber));
});

test('a client that sends an address as server name gets the certificate of that address, or none', async () => {
  const bus = await newBus();
  await bus.issue(['192.0.2.7', '2001:db8::7']);
  await bus.issue(['*.a.test']);
  const { sniCallback } = await newClient(bus, { defaultName: 'www.a.test' });
  const answer = (typed: string) =>
    new Promise((resolve) => sniCallback(typed, (error, context) => resolve(error ?? context)));
  const refused = { code: 'CERTBUS_CLIENT_NAME_UNKNOWN' };
  for (const typed of ['192.0.2.7', '2001:DB8:0::7', 'x-.a.test', '-x.a.test', 'x_y.a.test'])
    expect(await answer(typed)).toHaveProperty('context');
  for (const typed of ['192.0.2.8', '2001:db8::8', '[2001:db8::7]', 'fe80::1%eth0', '192.0.2', '*.a.test'])
    expect(await answer(typed)).toMatchObject(refused);
});

test.each(['', 'not a name', '*.a.test', 'a..test', 'a.test:443'])(
  'a default name that is none, %j, is refused at once, as no certificate would ever be found for it',
  async (defaultName) => {
    const bus = await newBus();
    const refused = newClient(bus, { defaultName });
    await expect(refused).rejects.toThrow(TypeError);
    await expect(refused).rejects.toThrow('The option "defaultName" is neither a host name nor an IP address');
  },
);

test('what a program gives its server later is shown where there is no default, and defaults go on', async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['127.0.0.1']);
  const [first, second] = [await bus.issue(['first.test']), await bus.issue(['second.test'])];
  const client = await newClient(bus);
  const identityOf = ({ certificate: cert, privateKey: key }: typeof first) => ({ cert, key });
  const server = createServer(client.tlsOptions(identityOf(first)));
  const port = await serve(client, server);
  const serialsAt = async () => [await serialAt(port), await serialAt(port, { host: '127.0.0.2' })];
  expect(await serialsAt()).toEqual([serialNumber, first.serialNumber]);
  server.setSecureContext(identityOf(second));
  expect(await serialsAt()).toEqual([serialNumber, second.serialNumber]);
  server.setSecureContext({ ca: bus.roots });
  expect(await serialAt(port)).toBe(serialNumber);
  await expect(serialAt(port, { host: '127.0.0.2' })).rejects.toThrow(/handshake failure/);
  expect(await serialAt(port)).toBe(serialNumber);
});
