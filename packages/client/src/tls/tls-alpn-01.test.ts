import { createHash, type X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { createSecureServer, connect as openHttp2 } from 'node:http2';
import { createServer as createHttpsServer, get } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, connect as dialTcp, type Socket } from 'node:net';
import { join } from 'node:path';
import { createServer, connect as dial, type Server, type TLSSocket } from 'node:tls';
import { createId, type EventOf, reverseNameOf } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { CertBus, ConnectOptions } from '../cert-bus.ts';
import { connect } from '../connect.ts';
import { openMaterial } from '../material.ts';
import { createTestBus, type TestBus } from '../testing.ts';
import { answerTlsAlpn01Connections } from './challenge-port.ts';
import { shakeHands } from './tls.builders.ts';

const folder = temporaryFolder();
const open: { close(): unknown }[] = [];
const thumbprint = 'A'.repeat(43);
const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const;

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});
afterAll(() => folder.remove());

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

async function listen<S extends Server>(server: S): Promise<number> {
  const sockets = new Set<{ destroy(): void }>();
  server.on('connection', (socket) => sockets.add(socket));
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push({
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  return (server.address() as AddressInfo).port;
}

function presented(
  identifier: string,
  { issuanceId = createId(), forMs = 3_600_000 } = {},
): EventOf<'ChallengePresented'> {
  const expiresAt = new Date(Date.now() + forMs).toISOString();
  return {
    type: 'ChallengePresented',
    issuanceId,
    challengeType: 'tls-alpn-01',
    identifier,
    token: `token-${identifier}`.replace(/\W/g, '-'),
    thumbprint,
    expiresAt,
  };
}

async function present(bus: TestBus, client: CertBus, ...challenges: EventOf<'ChallengePresented'>[]): Promise<void> {
  const { position } = client.health();
  await bus.append(...challenges);
  while (client.health().position === position) await new Promise((resolve) => setTimeout(resolve, 10));
}

interface Shown {
  readonly protocol: string | false | null;
  readonly certificate: X509Certificate;
}

/** A handshake as a CA makes it. */
function ask(
  port: number,
  servername: string,
  { version = 'TLSv1.3' as (typeof VERSIONS)[number], protocols = ['acme-tls/1'] } = {},
): Promise<Shown> {
  return new Promise((resolve, reject) => {
    const socket: TLSSocket = dial({
      host: '127.0.0.1',
      port,
      servername,
      ALPNProtocols: protocols,
      minVersion: version,
      maxVersion: version,
      rejectUnauthorized: false,
    });
    socket.on('error', reject);
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate) resolve({ protocol: socket.alpnProtocol, certificate });
      socket.destroy();
    });
  });
}

/** The acmeIdentifier of a key authorization, critical, as it stands in DER. */
function acmeIdentifier(token: string): Buffer {
  const digest = createHash('sha256').update(`${token}.${thumbprint}`).digest();
  return Buffer.concat([Buffer.from('06082b0601050507011f0101ff04220420', 'hex'), digest]);
}

test.each(VERSIONS)(
  'by %s a CA sees the certificate of a challenge, everybody else that of the name',
  async (version) => {
    const bus = await newBus();
    const { serialNumber } = await bus.issue(['a.test']);
    const client = await newClient(bus);
    const port = await listen(client.attach(createServer(client.tlsOptions(), (socket) => void socket.write('hello'))));
    const challenge = presented('a.test');
    await present(bus, client, challenge);
    for (const typed of ['a.test', 'A.Test']) {
      const { protocol, certificate } = await ask(port, typed, { version });
      expect(protocol).toBe('acme-tls/1');
      expect(certificate.subjectAltName).toBe('DNS:a.test');
      expect(certificate.verify(certificate.publicKey)).toBe(true);
      expect(certificate.raw.includes(acmeIdentifier(challenge.token))).toBe(true);
    }
    expect(await shakeHands(port, 'a.test', { ca: bus.roots, maxVersion: version })).toMatchObject({ serialNumber });
    const mixed = await ask(port, 'a.test', { version, protocols: ['h2', 'acme-tls/1'] });
    expect(mixed).toMatchObject({ protocol: false, certificate: { serialNumber } });
  },
);

test.each([
  ['127.0.0.1', 'IP Address:127.0.0.1'],
  ['2001:db8::1', 'IP Address:2001:DB8:0:0:0:0:0:1'],
])('a challenge for %s is asked for by its reverse name', async (address, name) => {
  const bus = await newBus();
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  const challenge = presented(address);
  await present(bus, client, challenge);
  for (const version of VERSIONS) {
    const { protocol, certificate } = await ask(port, reverseNameOf(address), { version });
    expect(protocol).toBe('acme-tls/1');
    expect(certificate.subjectAltName).toBe(name);
    expect(certificate.raw.includes(acmeIdentifier(challenge.token))).toBe(true);
  }
});

test('a handshake for acme-tls/1 is refused where its name has no challenge, or not any more', async () => {
  const bus = await newBus();
  await bus.issue(['a.test', 'b.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createHttpsServer(client.tlsOptions())));
  await expect(ask(port, 'a.test')).rejects.toThrow(/no application protocol/);
  const issuanceId = createId();
  await present(bus, client, presented('a.test', { issuanceId }), presented('c.test', { forMs: 300 }));
  await expect(ask(port, 'b.test')).rejects.toThrow(/unrecognized name/);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await expect(ask(port, 'c.test')).rejects.toThrow(/unrecognized name/);
  expect((await ask(port, 'a.test')).protocol).toBe('acme-tls/1');
  await bus.append({
    type: 'IssuanceFailed',
    issuanceId,
    certificateId: createId(),
    problem: 'x',
    class: 'temporary',
    detail: '',
    attempt: 1,
    notBefore: new Date().toISOString(),
  });
  await expect.poll(() => ask(port, 'a.test').catch(String)).toMatch(/no application protocol/);
});

test('of two challenges for a name the newest is answered, with one certificate until it ends', async () => {
  const bus = await newBus();
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  const newest = { ...presented('a.test'), token: 'newest' };
  await present(bus, client, presented('a.test'), newest);
  const [one, other] = [await ask(port, 'a.test'), await ask(port, 'a.test')];
  expect(one.certificate.raw.includes(acmeIdentifier('newest'))).toBe(true);
  expect(one.certificate.fingerprint256).toBe(other.certificate.fingerprint256);
});

test('HTTP/1.1 and HTTP/2 servers go on as before while a challenge is there', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const client = await newClient(bus);
  await present(bus, client, presented('a.test'));
  const https = client.attach(createHttpsServer(client.tlsOptions(), (_, response) => response.end('one')));
  const port = await listen(https);
  const text = await new Promise((resolve, reject) => {
    get({ host: '127.0.0.1', port, servername: 'a.test', ca: bus.roots, agent: false }, (response) => {
      response.on('data', (chunk) => resolve(String(chunk)));
    }).on('error', reject);
  });
  expect(text).toBe('one');
  const http2 = client.attach(createSecureServer(client.tlsOptions(), (_, response) => response.end('two')));
  const http2Port = await listen(http2);
  const session = openHttp2(`https://127.0.0.1:${http2Port}`, { servername: 'a.test', ca: bus.roots });
  const stream = session.request({ ':path': '/' });
  const [chunk] = await once(stream, 'data');
  session.destroy();
  expect(String(chunk)).toBe('two');
  for (const at of [port, http2Port]) expect((await ask(at, 'a.test')).protocol).toBe('acme-tls/1');
});

async function dribble(from: Socket, to: Socket, bytes: Buffer): Promise<void> {
  from.pause();
  for (const byte of bytes.subarray(0, 300)) {
    to.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  to.write(bytes.subarray(300));
  from.resume();
}

test('a ClientHello that comes byte by byte, or is none, is no trouble', async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['a.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions(), (socket) => void socket.write('hello'))));
  await present(bus, client, presented('a.test'));
  const relay = createTcpServer((socket) => {
    const upstream = dialTcp({ host: '127.0.0.1', port, noDelay: true });
    socket.on('data', (bytes: Buffer) => void dribble(socket, upstream, bytes));
    upstream.pipe(socket).on('error', () => {});
    upstream.on('error', () => socket.destroy());
    socket.on('close', () => upstream.destroy());
  });
  relay.listen(0, '127.0.0.1');
  await once(relay, 'listening');
  open.push(relay);
  const { port: slowly } = relay.address() as AddressInfo;
  expect((await ask(slowly, 'a.test')).protocol).toBe('acme-tls/1');
  expect(await shakeHands(slowly, 'a.test', { ca: bus.roots })).toMatchObject({ serialNumber });
  for (const noise of [
    'GET / HTTP/1.0\r\n\r\n',
    '\x16\x03\x01\xff\xff\x01\x00\x00',
    '\x16\x03\x01\x00\x04\x01\x00\x00\x00',
    '',
  ]) {
    const socket = dialTcp({ host: '127.0.0.1', port });
    socket.on('error', () => {}).end(Buffer.from(noise, 'latin1'));
    socket.resume();
    await once(socket, 'close');
  }
  expect((await ask(port, 'a.test')).protocol).toBe('acme-tls/1');
});

test('a challenge is answered after a restart without the bus', async () => {
  const path = join(folder.path, 'bus.db');
  const bus = await createTestBus({ address: `sqlite:${path}#test` });
  open.push(bus);
  const options = { bus: `sqlite:${path}#test`, stateDirectory: join(folder.path, 'state'), intervalMs: 50 };
  const { identity, trust } = bus;
  const first = await connect({ ...options, identity, trust });
  await present(bus, first, presented('a.test'));
  await first.close();
  renameSync(path, `${path}.away`);
  const again = await connect({ ...options, identity, trust });
  open.push(again);
  const port = await listen(again.attach(createServer(again.tlsOptions())));
  expect((await ask(port, 'a.test')).protocol).toBe('acme-tls/1');
});

test('a port that a balancer routes handshakes to answers those of a CA, and ends every other connection', async () => {
  const { bus, identity, trust, ...test } = await newBus();
  const source = await openMaterial({ bus, identity, trust, replica: ':memory:', intervalMs: 50 });
  open.push(source);
  const server = createTcpServer(answerTlsAlpn01Connections(source)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const { port } = server.address() as AddressInfo;
  await expect(ask(port, 'a.test')).rejects.toThrow('unrecognized name');
  const challenge = presented('a.test');
  const moved = new Promise<void>((resolve) => source.on('moved', resolve));
  await test.append(challenge);
  await moved;
  const { protocol, certificate } = await ask(port, 'a.test');
  expect(protocol).toBe('acme-tls/1');
  expect(certificate.raw.includes(acmeIdentifier(challenge.token))).toBe(true);
  await expect(ask(port, 'b.test')).rejects.toThrow('unrecognized name');
  await expect(ask(port, 'a.test', { protocols: ['h2', 'acme-tls/1'] })).rejects.toThrow('unrecognized name');
  const plain = dialTcp(port, '127.0.0.1', () => plain.write('GET / HTTP/1.1\r\n\r\n'));
  await once(plain.resume(), 'close');
});

test('a stranger who goes on sending holds no connection, neither a refused one nor that of a challenge', async () => {
  const { bus, identity, trust, ...test } = await newBus();
  await test.append(presented('a.test'));
  const source = await openMaterial({ bus, identity, trust, replica: ':memory:', intervalMs: 50 });
  open.push(source);
  const server = createTcpServer(answerTlsAlpn01Connections(source)).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  const taken: Socket[] = [];
  server.on('connection', (socket: Socket) => taken.push(socket));
  const address = { host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  onTestFinished(() => void vi.useRealTimers());
  // Neither of them ends its own side.
  const refused = dialTcp({ ...address, allowHalfOpen: true }).on('error', () => {});
  refused.write('GET / HTTP/1.1\r\n');
  await once(refused, 'data');
  const shown = dial({
    ...address,
    servername: 'a.test',
    ALPNProtocols: ['acme-tls/1'],
    rejectUnauthorized: false,
  }).on('error', () => {});
  await once(shown, 'secureConnect');
  for (let seconds = 1; seconds < 10; seconds += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    for (const socket of [refused, shown]) socket.write('x');
    expect(taken.map(({ destroyed }) => destroyed)).toEqual([false, false]);
  }
  await vi.advanceTimersByTimeAsync(1_000);
  expect(taken.map(({ destroyed }) => destroyed)).toEqual([true, true]);
});
