/** Many servers of one client. */
import { constants } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { createSecureServer, connect as openHttp2 } from 'node:http2';
import { createServer as createHttpsServer, get } from 'node:https';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import tls, { type ConnectionOptions, createServer, connect as dial, type Server, type TLSSocket } from 'node:tls';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { CertBus } from '../cert-bus.ts';
import { connect } from '../connect.ts';
import { createTestBus, type TestBus } from '../testing.ts';
import { createAttachedServers } from './attached-servers.ts';
import { createChallenges } from './challenges.ts';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});

async function newClient(): Promise<{ bus: TestBus; client: CertBus }> {
  const bus = await createTestBus();
  const { identity, trust } = bus;
  const client = await connect({ bus: bus.bus, identity, trust, replica: ':memory:', intervalMs: 50 });
  open.push(bus, client);
  return { bus, client };
}

async function listen(server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

/** How many contexts with a key are made from now on. */
function watchMaking(): { readonly keys: number } {
  const made = { keys: 0 };
  const { createSecureContext } = tls;
  tls.createSecureContext = (options) => {
    if (options?.key) made.keys += 1;
    return createSecureContext(options);
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    tls.createSecureContext = createSecureContext;
    syncBuiltinESMExports();
  });
  return made;
}

test('twenty servers of every kind are attached without a warning, and all of them follow a removal', async () => {
  const warnings: string[] = [];
  const note = ({ message }: Error) => warnings.push(message);
  process.on('warning', note);
  onTestFinished(() => void process.off('warning', note));
  const { bus, client } = await newClient();
  await bus.issue(['a.test']);
  const kinds = [
    () => createServer(client.tlsOptions()),
    () => createHttpsServer(client.tlsOptions({ keepAliveTimeout: 1_000 })),
    () => createSecureServer(client.tlsOptions({ allowHTTP1: true })),
  ];
  const servers: Server[] = Array.from({ length: 21 }, (_, n) =>
    client.attach((kinds[n % 3] ?? kinds[0])?.() as Server),
  );
  const before = servers.map((server) => server.getTicketKeys());
  const { certificateId } = await bus.issue(['gone.test']);
  await bus.remove(certificateId);
  await expect.poll(() => servers.every((server, n) => !before[n]?.equals(server.getTicketKeys()))).toBe(true);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings).toEqual([]);
});

test('a server that closes is released, and one that listens again begins with keys of its own', async () => {
  const now = () => new Date();
  const servers = createAttachedServers({
    defaults: { find: async () => undefined, isAbout: () => true },
    onUnfit: () => expect.unreachable(),
    challenges: createChallenges({ build: () => expect.unreachable(), now }),
    removals: { moment: () => undefined, isRemovedSince: () => true },
    isCovered: () => true,
    needsHello: () => false,
    now,
  });
  const server = createServer();
  servers.attach(server);
  expect(servers.size).toBe(1);
  await listen(server);
  server.close();
  await once(server, 'close');
  expect(servers.size).toBe(0);
  const before = server.getTicketKeys();
  // While it was closed it heard of no removal.
  servers.refresh({ certificateId: 'certificate1', names: ['gone.test'], removed: true });
  expect(before.equals(server.getTicketKeys())).toBe(true);
  await listen(server);
  expect([servers.size, before.equals(server.getTicketKeys())]).toEqual([1, false]);
  server.close();
});

test('renewals of other certificates have no default looked up again, and its own has', async () => {
  const bus = await createTestBus();
  const { identity, trust } = bus;
  const options = { bus: bus.bus, identity, trust, replica: ':memory:' as const, intervalMs: 50 };
  const first = await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  const client = await connect({ ...options, defaultName: 'a.test' });
  open.push(bus, client);
  const server = client.attach(createServer(client.tlsOptions(), (socket) => socket.on('error', () => {})));
  const port = await listen(server);
  open.push(server);
  async function shown(): Promise<string | undefined> {
    const socket = dial({ host: '127.0.0.1', port, rejectUnauthorized: false });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerX509Certificate() ?? {};
    socket.destroy();
    return serialNumber;
  }
  const changed: (string | undefined)[] = [];
  client.on('changed', ({ names }) => changed.push(names[0]));
  expect(await shown()).toBe(first.serialNumber);
  const made = watchMaking();
  await bus.issue(['b.test']);
  await expect.poll(() => changed).toEqual(['b.test']);
  expect(await shown()).toBe(first.serialNumber);
  expect(made.keys).toBe(0);
  const renewed = await bus.issue(['a.test']);
  await expect.poll(() => changed).toEqual(['b.test', 'a.test']);
  expect(await shown()).toBe(renewed.serialNumber);
  expect(made.keys).toBeGreaterThan(0);
});

test('an HTTP/2 server serves both versions, and its requests are asked for HTTP-01 challenges', async () => {
  const { bus, client } = await newClient();
  const { serialNumber } = await bus.issue(['a.test']);
  const account = { directory: 'https://ca.test/', accountUrl: 'https://ca.test/1', sealedKey: '' };
  await bus.append({ type: 'AccountRegistered', ...account, thumbprint: 'A'.repeat(43), stateless: true });
  const server = client.attach(
    createSecureServer(client.tlsOptions({ allowHTTP1: true }), (request, response) => {
      if (!client.acmeHttpHandler(request, response)) response.end(`by ${request.httpVersion}`);
    }),
  );
  const port = await listen(server);
  open.push(server);
  await expect.poll(() => client.health().position).toBe(4);
  const old = get({ host: '127.0.0.1', port, servername: 'a.test', ca: bus.roots, agent: false });
  const [response] = (await once(old, 'response')) as [IncomingMessage];
  expect((response.socket as TLSSocket).getPeerX509Certificate()?.serialNumber).toBe(serialNumber);
  expect(await response.setEncoding('utf8').toArray()).toEqual(['by 1.1']);
  const session = openHttp2(`https://127.0.0.1:${port}`, { servername: 'a.test', ca: bus.roots });
  const ask = async (path: string) => String((await once(session.request({ ':path': path }), 'data'))[0]);
  expect(await ask('/.well-known/acme-challenge/token')).toBe(`token.${'A'.repeat(43)}`);
  expect(await ask('/')).toBe('by 2.0');
  session.destroy();
});

/** The names of what a server shows to a client; `undefined` where it refuses it. */
function shownBy(port: number, options: ConnectionOptions): Promise<string | undefined> {
  const socket = dial({ host: '127.0.0.1', port, rejectUnauthorized: false, ...options });
  return new Promise((resolve) => {
    socket.on('error', () => resolve(undefined));
    socket.on('secureConnect', () => {
      resolve(socket.getPeerX509Certificate()?.subjectAltName);
      socket.destroy();
    });
  });
}

test.each([
  ['attached', true],
  ['with the callback alone', false],
])(
  'a server that is %s shows a certificate of its own to clients that name no server, and to those of an unknown name none',
  async (_, isAttached) => {
    const { bus, client } = await newClient();
    const { certificate: cert, privateKey: key } = await bus.issue(['own.test']);
    const { certificateId } = await bus.issue(['a.test']);
    const server = createServer(client.tlsOptions({ cert, key }));
    server.on('tlsClientError', () => {});
    if (isAttached) client.attach(server);
    const port = await listen(server);
    open.push(server);
    await expect.poll(() => shownBy(port, { servername: 'a.test' })).toBe('DNS:a.test');
    expect(await shownBy(port, {})).toBe('DNS:own.test');
    expect(await shownBy(port, { servername: 'unknown.test' })).toBeUndefined();
    expect(await shownBy(port, { servername: 'no name' })).toBeUndefined();
    await bus.remove(certificateId);
    await expect.poll(() => shownBy(port, { servername: 'a.test' })).toBeUndefined();
  },
);

test('a session of TLS 1.2 that the program keeps itself does not resume for a name that was removed', async () => {
  const { bus, client } = await newClient();
  const { certificateId } = await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  const kept = new Map<string, Buffer>();
  const settings = { maxVersion: 'TLSv1.2', secureOptions: constants.SSL_OP_NO_TICKET } as const;
  const server = client.attach(createServer(client.tlsOptions(settings), (socket) => socket.on('error', () => {})));
  server.on('tlsClientError', () => {});
  server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
    kept.set(id.toString('hex'), session);
    done();
  });
  server.on('resumeSession', (id: Buffer, done: (error: Error | null, session: Buffer | null) => void) =>
    done(null, kept.get(id.toString('hex')) ?? null),
  );
  const port = await listen(server);
  open.push(server);
  await expect.poll(() => client.health().certificates.served).toBe(2);

  /** A session for a name, or how a session is resumed: `ended` where the server ends the connection. */
  function visit(servername: string, session?: Buffer): Promise<Buffer | 'ended' | 'resumed'> {
    const socket = dial({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, session });
    return new Promise((resolve) => {
      socket.on('error', () => {}).on('close', () => resolve('ended'));
      socket.on('secureConnect', () => {
        if (!session) resolve(socket.getSession() as Buffer);
        else socket.once('data', () => resolve('resumed'));
      });
    });
  }
  server.on('secureConnection', (socket) => socket.write('hello'));
  const [a, b] = [(await visit('a.test')) as Buffer, (await visit('b.test')) as Buffer];
  expect([await visit('a.test', a), await visit('b.test', b)]).toEqual(['resumed', 'resumed']);
  await bus.remove(certificateId);
  await expect.poll(() => client.health().certificates.served).toBe(1);
  expect([await visit('a.test', a), await visit('b.test', b)]).toEqual(['ended', 'resumed']);
});
