/** Names with certificates of two key types: each client gets one that it can use. */
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ConnectionOptions, createServer, connect as dial, type Server } from 'node:tls';
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

async function newClient({ bus, identity, trust }: TestBus, options: Partial<ConnectOptions> = {}): Promise<CertBus> {
  const client = await connect({ bus, identity, trust, replica: ':memory:', intervalMs: 50, ...options });
  open.push(client);
  return client;
}

async function listen(server: Server): Promise<number> {
  server.on('tlsClientError', () => {}).on('secureConnection', (socket) => socket.on('error', () => {}));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

const TLS12 = { maxVersion: 'TLSv1.2' } as const;
/** What a client can use. */
const CLIENTS = {
  'RSA only, TLS 1.3': { sigalgs: 'RSA-PSS+SHA256' },
  'RSA only, TLS 1.2, by signatures': { ...TLS12, sigalgs: 'RSA+SHA256' },
  'RSA only, TLS 1.2, by cipher suites': { ...TLS12, ciphers: 'ECDHE-RSA-AES128-GCM-SHA256' },
  'ECDSA only, TLS 1.3': { sigalgs: 'ECDSA+SHA256' },
  'ECDSA only, TLS 1.2, by signatures': { ...TLS12, sigalgs: 'ECDSA+SHA256' },
  'ECDSA only, TLS 1.2, by cipher suites': { ...TLS12, ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
  'both, TLS 1.3': {},
  'both, TLS 1.2': TLS12,
} as const;
const CLIENT_NAMES = Object.keys(CLIENTS) as (keyof typeof CLIENTS)[];

/** The serial number that a client is shown; `undefined` where the handshake fails. */
function shownTo(port: number, servername: string, how: ConnectionOptions): Promise<string | undefined> {
  return new Promise((resolve) => {
    const socket = dial({ host: '127.0.0.1', port, servername, rejectUnauthorized: false, ...how }, () => {
      resolve(socket.getPeerX509Certificate()?.serialNumber);
      socket.destroy();
    });
    socket.on('error', () => resolve(undefined));
  });
}

const shown = (port: number, servername: string, client: keyof typeof CLIENTS): Promise<string | undefined> =>
  shownTo(port, servername, CLIENTS[client]);

const isOfRsa = (client: string) => client.startsWith('RSA');

test.each(['RSA only, TLS 1.2, by cipher suites', 'ECDSA only, TLS 1.2, by cipher suites'] as const)(
  'the first client of a server, %s, gets what it can use, and so do all after it',
  async (first) => {
    const bus = await newBus();
    const rsa = await bus.issue(['a.test'], { keyType: 'rsa-2048' });
    const ecdsa = await bus.issue(['a.test']);
    const client = await newClient(bus, { defaultName: 'a.test' });
    const port = await listen(client.attach(createServer(client.tlsOptions())));
    for (const each of [first, ...CLIENT_NAMES]) {
      const wanted = isOfRsa(each) ? rsa : ecdsa;
      expect(await shown(port, 'a.test', each), each).toBe(wanted.serialNumber);
      // Of a default certificate TLS chooses, which for those that can use both is up to the client.
      const unnamed = await shown(port, '', each);
      if (!each.startsWith('both')) expect(unnamed, each).toBe(wanted.serialNumber);
      expect([rsa.serialNumber, ecdsa.serialNumber], each).toContain(unnamed);
    }
  },
);

const [RSA_SUITE, EC_SUITE] = ['ECDHE-RSA-AES128-GCM-SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'];

test.each([
  ['RSA suites alone', `${RSA_SUITE}:AES128-SHA:!aNULL:TLS_AES_128_GCM_SHA256`, 'rsa'],
  ['ECDSA suites alone', `${EC_SUITE},@SECLEVEL=1`, 'ecdsa'],
  ['suites of both', `${RSA_SUITE}:${EC_SUITE}`, 'ecdsa'],
  ['a word for many', 'HIGH:!aNULL', 'ecdsa'],
  ['a word for many of RSA', 'ECDHE+aRSA', 'rsa'],
  ['a word for many, without those of ECDSA', 'HIGH:!aNULL:!ECDSA', 'rsa'],
  ['a word for many of ECDSA, and one of TLS 1.3', 'TLS_AES_128_GCM_SHA256:ECDHE+aECDSA', 'ecdsa'],
  ['suites of TLS 1.3 and those for many', 'TLS_AES_128_GCM_SHA256:ECDHE+AESGCM', 'ecdsa'],
] as const)('a server with %s shows what it can use itself in TLS 1.2', async (_, ciphers, kind) => {
  const bus = await newBus();
  const serials = {
    rsa: (await bus.issue(['a.test'], { keyType: 'rsa-2048' })).serialNumber,
    ecdsa: (await bus.issue(['a.test'])).serialNumber,
  };
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions({ ciphers }))));
  const modern = await listen(client.attach(createServer(client.tlsOptions())));
  expect(await shown(port, 'a.test', 'both, TLS 1.2')).toBe(serials[kind]);
  expect(await shown(modern, 'a.test', 'both, TLS 1.2')).toBe(serials.ecdsa);
  expect(await shown(modern, 'a.test', 'both, TLS 1.3')).toBe(serials.ecdsa);
});

test.each(['p-384', 'p-256'] as const)(
  'of two curves each client gets the one that it knows, in TLS 1.2 and 1.3; %s was issued last',
  async (last) => {
    const bus = await newBus();
    const order = last === 'p-384' ? (['p-256', 'p-384'] as const) : (['p-384', 'p-256'] as const);
    const serials = new Map<string, string>();
    for (const keyType of order) serials.set(keyType, (await bus.issue(['a.test'], { keyType })).serialNumber);
    const client = await newClient(bus, { defaultName: 'a.test' });
    const port = await listen(client.attach(createServer(client.tlsOptions())));
    const clients = [
      ['p-256', { ...TLS12, ecdhCurve: 'P-256' }],
      ['p-384', { ...TLS12, ecdhCurve: 'P-384' }],
      ['p-256', { ecdhCurve: 'P-256', sigalgs: 'ECDSA+SHA256' }],
      ['p-384', { ecdhCurve: 'P-256', sigalgs: 'ECDSA+SHA384' }],
    ] as const;
    for (const [keyType, how] of clients)
      expect(await shownTo(port, 'a.test', how), `${keyType} to ${JSON.stringify(how)}`).toBe(serials.get(keyType));
    // A default certificate has one of both for all clients.
    for (const servername of ['a.test', ''])
      for (const how of [TLS12, {}]) expect([...serials.values()]).toContain(await shownTo(port, servername, how));
  },
);

test('a wildcard of the other key type serves those who cannot use the exact certificate', async () => {
  const bus = await newBus();
  const exact = await bus.issue(['www.a.test'], { keyType: 'rsa-2048' });
  const wildcard = await bus.issue(['*.a.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  for (const each of CLIENT_NAMES) {
    const isOnlyEcdsa = each.startsWith('ECDSA');
    expect(await shown(port, 'www.a.test', each), each).toBe((isOnlyEcdsa ? wildcard : exact).serialNumber);
    expect(await shown(port, 'shop.a.test', each), each).toBe(isOfRsa(each) ? undefined : wildcard.serialNumber);
  }
});

test('a second key type that comes, is renewed and goes takes effect at once, and no other name is shown', async () => {
  const bus = await newBus();
  const rsa = await bus.issue(['a.test'], { keyType: 'rsa-2048' });
  await bus.issue(['b.test']);
  const client = await newClient(bus);
  const port = await listen(client.attach(createServer(client.tlsOptions())));
  const ask = () => shown(port, 'a.test', 'ECDSA only, TLS 1.2, by cipher suites');
  expect(await ask()).toBeUndefined();
  const ecdsa = await bus.issue(['a.test']);
  await expect.poll(ask).toBe(ecdsa.serialNumber);
  const renewed = await bus.issue(['a.test']);
  await expect.poll(ask).toBe(renewed.serialNumber);
  expect(await shown(port, 'a.test', 'RSA only, TLS 1.3')).toBe(rsa.serialNumber);
  await bus.remove(ecdsa.certificateId);
  await expect.poll(ask).toBeUndefined();
  expect(await shown(port, 'a.test', 'both, TLS 1.3')).toBe(rsa.serialNumber);
});

test('a bare callback shows the one that ranks first to every client, with an alarm', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const rsa = await bus.issue(['a.test'], { keyType: 'rsa-2048' });
  const client = await newClient(bus);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const attached = await listen(client.attach(createServer(client.tlsOptions())));
  await shown(attached, 'a.test', 'both, TLS 1.3');
  await client.secureContextFor('a.test');
  expect(alarms).toEqual([]);
  const port = await listen(createServer({ SNICallback: client.sniCallback }));
  for (const each of CLIENT_NAMES)
    expect(await shown(port, 'a.test', each), each).toBe(each.startsWith('ECDSA') ? undefined : rsa.serialNumber);
  expect(alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_TYPE_UNUSED' }]);
});
