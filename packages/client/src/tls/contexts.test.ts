/** What a client's contexts are made for, and how long they live. */
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import { type AddressInfo, createServer as createTcpServer } from 'node:net';
import tls, {
  createSecureContext,
  createServer,
  connect as dial,
  type SecureContext,
  type Server,
  TLSSocket,
} from 'node:tls';
import { temporaryFolder } from 'certbus-services';
import { afterEach, expect, onTestFinished, test } from 'vitest';
import type { CertBus, ConnectOptions } from '../cert-bus.ts';
import { connect } from '../connect.ts';
import { openMaterial } from '../material.ts';
import { createTestBus, type TestBus } from '../testing.ts';
import { createContexts } from './contexts.ts';
import { shakeHands } from './tls.builders.ts';

const createNative = tls.createSecureContext;
const open: { close(): unknown }[] = [];

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});

async function newBus(): Promise<TestBus> {
  const bus = await createTestBus();
  open.push(bus);
  return bus;
}

async function newClient({ bus, identity, trust }: TestBus, options: Partial<ConnectOptions> = {}): Promise<CertBus> {
  const client = await connect({ bus, identity, trust, replica: ':memory:', intervalMs: 50, ...options });
  open.push(client);
  return client;
}

async function listen(server: Server): Promise<number> {
  server.on('tlsClientError', () => {}).on('secureConnection', (socket) => socket.on('error', () => {}).write('hello'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

/** Waits for an event of the bus to take effect. */
async function untilChanged(client: CertBus, change: () => Promise<unknown>): Promise<void> {
  const changed = new Promise<void>((resolve) => {
    client.on('changed', () => resolve());
  });
  await change();
  await changed;
  // What was given up is closed in the next turn.
  await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}

/** What the callback answers, as a program of one's own calls it. */
function ask(client: CertBus, serverName: string): Promise<SecureContext | undefined> {
  return new Promise((resolve, reject) => {
    client.sniCallback(serverName, (error, context) => (error ? reject(error) : resolve(context)));
  });
}

/** The serial number that a TLS socket of one's own shows with a context. */
async function serialShownWith(secureContext: SecureContext | undefined): Promise<string | undefined> {
  if (!secureContext) throw new TypeError('there is a context');
  const server = createTcpServer((socket) =>
    new TLSSocket(socket, { isServer: true, secureContext }).on('error', () => {}),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const client = dial({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(client, 'secureConnect');
  const { serialNumber } = client.getPeerX509Certificate() ?? {};
  client.destroy();
  server.close();
  return serialNumber;
}

test('a flood of names under one wildcard makes one context, evicts no other, and is not warmed after a restart', async () => {
  const FLOOD = 20_000;
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await newBus();
  const names = Array.from({ length: 30 }, (_, n) => `n${n}.legitimate.test`);
  for (const name of names) await bus.issue([name]);
  await bus.issue(['*.flood.test']);
  const state = { stateDirectory: folder.path, replica: undefined } as unknown as Partial<ConnectOptions>;
  const client = await newClient(bus, { ...state, cacheSize: names.length + 1 });
  const before = await Promise.all(names.map((name) => ask(client, name)));
  const shown = new Set<SecureContext | undefined>();
  for (let n = 0; n < FLOOD; n += 1) shown.add(await ask(client, `x${n}.flood.test`));
  expect(shown.size).toBe(1);
  expect(await ask(client, 'x0.flood.test')).toBe([...shown][0]);
  for (const [n, name] of names.entries()) expect(await client.secureContextFor(name)).toBe(before[n]);
  await client.close();
  const { identity, trust } = bus;
  const source = await openMaterial({ bus: bus.bus, identity, trust, stateDirectory: folder.path });
  open.push(source);
  const warmed = source.recentNames();
  expect(warmed).toHaveLength(names.length + 1);
  expect(warmed.filter((name) => name.endsWith('.flood.test'))).toHaveLength(1);
});

/** In which turns of the event loop contexts with a key are made from now on. */
function watchMaking(): readonly number[] {
  const made: number[] = [];
  let turn = 0;
  let next = setImmediate(function count() {
    turn += 1;
    next = setImmediate(count);
  });
  tls.createSecureContext = (options) => {
    if (options?.key) made.push(turn);
    return createNative(options);
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    clearImmediate(next);
    tls.createSecureContext = createNative;
    syncBuiltinESMExports();
  });
  return made;
}

test('what was in use before a restart is made before anybody asks for it, one context a turn', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await newBus();
  const names = Array.from({ length: 6 }, (_, n) => `n${n}.test`);
  for (const name of names) await bus.issue([name]);
  const state = { stateDirectory: folder.path, replica: undefined } as unknown as Partial<ConnectOptions>;
  const before = await newClient(bus, state);
  const [unused = '', ...used] = names;
  for (const name of used) await ask(before, name);
  await before.close();
  const made = watchMaking();
  const client = await newClient(bus, state);
  await expect.poll(() => made.length).toBe(used.length);
  expect(new Set(made).size).toBe(used.length);
  // Another turn, in which the last one is kept.
  await new Promise((resolve) => setImmediate(resolve));
  const isThere = (name: string) => {
    let isAnswered = false;
    client.sniCallback(name, () => (isAnswered = true));
    return isAnswered;
  };
  expect(used.map(isThere)).toEqual(used.map(() => true));
  expect(isThere(unused)).toBe(false);
  expect(made).toHaveLength(used.length);
});

test('what is renewed while it is in use is made before anybody asks for it, and what was asked for once is not', async () => {
  const bus = await newBus();
  const names = ['a.test', 'b.test', 'once.test'];
  for (const name of names) await bus.issue([name]);
  const client = await newClient(bus);
  for (const name of [...names, 'a.test', 'b.test']) await ask(client, name);
  const made = watchMaking();
  const renewed = new Set<string>();
  const all = new Promise<void>((resolve) => {
    client.on('changed', (change) => {
      if (renewed.add(change.names.join()).size === names.length) resolve();
    });
  });
  for (const name of names) await bus.issue([name]);
  await all;
  await expect.poll(() => made.length).toBe(2);
  expect(new Set(made).size).toBe(2);
  // Another turn, in which the last one is kept.
  await new Promise((resolve) => setImmediate(resolve));
  const isThere = (name: string) => {
    let isAnswered = false;
    client.sniCallback(name, () => (isAnswered = true));
    return isAnswered;
  };
  expect(names.map(isThere)).toEqual([true, true, false]);
});

test('certificates that are asked for once evict none that is in use', async () => {
  const bus = await newBus();
  const names = Array.from({ length: 40 }, (_, n) => `n${n}.test`);
  for (const name of names) await bus.issue([name]);
  const [hot, once] = [names.slice(0, 8), names.slice(8)];
  const client = await newClient(bus, { cacheSize: 10 });
  await Promise.all(hot.map((name) => ask(client, name)));
  const before = await Promise.all(hot.map((name) => ask(client, name)));
  for (const name of once) await ask(client, name);
  const after = await Promise.all(hot.map((name) => ask(client, name)));
  expect(after.map((context, n) => context === before[n])).toEqual(hot.map(() => true));
});

test('what was in use is warmed first after a restart, before what was asked for once behind it', async () => {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  const bus = await newBus();
  const [hot, once] = ['hot', 'once'].map((kind) => Array.from({ length: 3 }, (_, n) => `${kind}${n}.test`));
  if (!hot || !once) throw new TypeError('there are two');
  for (const name of [...hot, ...once]) await bus.issue([name]);
  const state = { stateDirectory: folder.path, replica: undefined } as unknown as Partial<ConnectOptions>;
  const client = await newClient(bus, state);
  for (const name of [...hot, ...hot, ...once]) await ask(client, name);
  await client.close();
  const { identity, trust } = bus;
  const source = await openMaterial({ bus: bus.bus, identity, trust, stateDirectory: folder.path });
  open.push(source);
  expect(source.recentNames()).toEqual([...hot.toReversed(), ...once.toReversed()]);
});

test('all names of a certificate share its context, and several that ask at once share the making', async () => {
  const bus = await newBus();
  await bus.issue(['a.test', 'www.a.test', '*.b.test']);
  const client = await newClient(bus);
  const asked = ['a.test', 'www.a.test', 'x.b.test', 'y.b.test', 'A.TEST', 'a.test.'].map((name) => ask(client, name));
  expect(new Set(await Promise.all(asked)).size).toBe(1);
});

test('a certificate for one name takes it over from the wildcard, and gives it back; a renewed wildcard is shown for all names', async () => {
  const bus = await newBus();
  const wildcard = await bus.issue(['*.a.test']);
  await bus.issue(['other.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  const shown = async (name: string) => (await shakeHands(port, name, { ca: bus.roots })).serialNumber;
  const other = await ask(client, 'other.test');
  for (const name of ['www.a.test', 'www.a.test', 'shop.a.test']) expect(await shown(name)).toBe(wildcard.serialNumber);
  let exact = wildcard;
  await untilChanged(client, async () => {
    exact = await bus.issue(['www.a.test']);
  });
  expect([await shown('www.a.test'), await shown('shop.a.test')]).toEqual([exact.serialNumber, wildcard.serialNumber]);
  let renewed = wildcard;
  await untilChanged(client, async () => {
    renewed = await bus.issue(['*.a.test']);
  });
  expect([await shown('www.a.test'), await shown('shop.a.test')]).toEqual([exact.serialNumber, renewed.serialNumber]);
  await untilChanged(client, () => bus.remove(exact.certificateId));
  expect(await shown('www.a.test')).toBe(renewed.serialNumber);
  expect(await ask(client, 'other.test')).toBe(other);
});

test('what was found while the clock was ahead is looked up again once it is set back', async () => {
  const bus = await newBus();
  const wild = await bus.issue(['*.a.test'], { days: 90 });
  const exact = await bus.issue(['www.a.test'], { days: 30 });
  let aheadMs = 0;
  const client = await newClient(bus, { now: () => new Date(Date.now() + aheadMs) });
  const shown = async () => serialShownWith(await client.secureContextFor('www.a.test'));
  expect(await shown()).toBe(exact.serialNumber);
  aheadMs = 60 * 86_400_000;
  expect(await shown()).toBe(wild.serialNumber);
  aheadMs = 0;
  expect(await shown()).toBe(exact.serialNumber);
});

test('a context that a program holds serves on after a renewal, an eviction and a removal', async () => {
  const bus = await newBus();
  const first = await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  const client = await newClient(bus, { cacheSize: 1 });
  const held = [await client.secureContextFor('a.test'), await ask(client, 'a.test')];
  await untilChanged(client, () => bus.issue(['a.test']));
  for (const context of held) expect(await serialShownWith(context)).toBe(first.serialNumber);
  const second = await client.secureContextFor('a.test');
  await client.secureContextFor('b.test');
  await untilChanged(client, () => bus.remove(first.certificateId));
  expect(second).not.toBe(held[0]);
  expect(await serialShownWith(second)).toBeDefined();
});

test('a context that only handshakes used is closed when it is evicted, and its connections go on', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  const client = await newClient(bus, { cacheSize: 1 });
  const seen: SecureContext[] = [];
  const { SNICallback } = client.tlsOptions();
  function noted(this: unknown, name: string, callback: Parameters<typeof SNICallback>[1]): void {
    SNICallback.call(this, name, (error, context) => {
      if (context) seen.push(context);
      callback(error, context);
    });
  }
  const port = await listen(createServer({ SNICallback: noted }, (socket) => socket.pipe(socket)));
  const talking = dial({ host: '127.0.0.1', port, servername: 'a.test', ca: bus.roots });
  await once(talking, 'data');
  await shakeHands(port, 'b.test', { ca: bus.roots });
  await new Promise((resolve) => setImmediate(resolve));
  const handle = (seen[0] as unknown as { context: { getCertificate(): unknown } }).context;
  expect(handle.getCertificate()).toBeNull();
  talking.write('are you there');
  expect(String((await once(talking, 'data'))[0])).toBe('are you there');
  talking.destroy();
});

test('a server that answers OCSP late shows a certificate whose context was evicted meanwhile', async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['a.test']);
  await bus.issue(['b.test']);
  const client = await newClient(bus, { cacheSize: 1 });
  const server = client.attach(createServer(client.tlsOptions()));
  const port = await listen(server);
  server.on('OCSPRequest', (_certificate, _issuer, callback) => {
    const late = () => setImmediate(() => setImmediate(() => callback(null, Buffer.from([]))));
    ask(client, 'b.test').then(late, (error: Error) => callback(error, null));
  });
  const socket = dial({ host: '127.0.0.1', port, servername: 'a.test', ca: bus.roots, requestOCSP: true });
  await once(socket, 'secureConnect');
  expect(socket.getPeerX509Certificate()?.serialNumber).toBe(serialNumber);
  socket.destroy();
});

test('after close the servers go on with what they hold, and nothing throws', async () => {
  const bus = await newBus();
  const exact = await bus.issue(['a.test']);
  const wildcard = await bus.issue(['*.b.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  const shown = (name: string) => shakeHands(port, name, { ca: bus.roots });
  const { session } = await shown('a.test');
  await shown('x.b.test');
  await client.close();
  expect((await shown('a.test')).serialNumber).toBe(exact.serialNumber);
  expect((await shown('y.b.test')).serialNumber).toBe(wildcard.serialNumber);
  const resumed = await shakeHands(port, 'a.test', { ca: bus.roots, ...(session ? { session } : {}) });
  expect(resumed.reused).toBe(true);
  await expect(shown('unknown.test')).rejects.toThrow();
  await expect(client.secureContextFor('unknown.test')).rejects.toThrow();
  const written: unknown[] = [];
  const response = { writeHead: () => written.push('head'), end: () => written.push('end') };
  const request = { url: '/.well-known/acme-challenge/token', method: 'GET' };
  expect([client.acmeHttpHandler(request, response), written]).toEqual([false, []]);
});

test('after close a bare callback goes on to show a name with two key types, to clients that ask at once as well', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const rsa = await bus.issue(['a.test'], { keyType: 'rsa-2048' });
  const client = await newClient(bus);
  const port = await listen(createServer({ SNICallback: client.sniCallback }));
  const shown = async () => (await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber;
  expect(await shown()).toBe(rsa.serialNumber);
  await client.close();
  // An error thrown behind the answer would end the process, which fails the run.
  expect(await Promise.all([shown(), shown()])).toEqual([rsa.serialNumber, rsa.serialNumber]);
});

test('a certificate that failed to be made once is made at the next handshake', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const { identity, trust } = bus;
  const source = await openMaterial({ bus: bus.bus, identity, trust, replica: ':memory:' });
  open.push(source);
  const [candidate] = source.ranking('a.test').candidates;
  if (!candidate) throw new TypeError('there is a certificate');
  const fail = () => {
    throw new Error('EIO: i/o error, read');
  };
  let failures = 1;
  const contexts = createContexts({
    source: {
      open: (wanted) => (failures > 0 ? Promise.reject(new Error('EIO: i/o error, read')) : source.open(wanted)),
      refuse: () => (failures-- > 0 ? fail() : expect.unreachable()),
    },
    build: ({ cert, key }) => createSecureContext({ cert, key }),
    size: 1,
  });
  const asked = [contexts.make(candidate, 'a.test'), contexts.make(candidate, 'a.test')];
  expect(await Promise.allSettled(asked)).toMatchObject([{ status: 'rejected' }, { status: 'rejected' }]);
  expect(await contexts.make(candidate, 'a.test')).toMatchObject({ isCurrent: true, serverName: 'a.test' });
});

test('where certificates that have ended are refused, no session of one is resumed, and others are', async () => {
  const bus = await newBus();
  await bus.issue(['ended.test'], { days: 5 });
  await bus.issue(['good.test']);
  let aheadMs = 0;
  const client = await newClient(bus, { expired: 'refuse', now: () => new Date(Date.now() + aheadMs) });
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    aheadMs = 0;
    const shake = (name: string, session?: Buffer) =>
      shakeHands(port, name, { ca: bus.roots, maxVersion, ...(session ? { session } : {}) });
    const [ended, good] = [await shake('ended.test'), await shake('good.test')];
    expect((await shake('ended.test', ended.session)).reused).toBe(true);
    aheadMs = 6 * 86_400_000;
    await expect(shake('ended.test', ended.session)).rejects.toThrow(/ended before anything was said|ECONNRESET/);
    expect((await shake('good.test', good.session)).reused, maxVersion).toBe(true);
  }
});
