/** Servers that ask their clients for certificates. */
import { once } from 'node:events';
import { syncBuiltinESMExports } from 'node:module';
import type { AddressInfo } from 'node:net';
import tls, { createServer, connect as dial, getCACertificates, type Server, setDefaultCACertificates } from 'node:tls';
import { createIssuer, createKeys, createLeaf, privateKeyPem, temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import type { CertBus } from '../cert-bus.ts';
import { newBus, newClient } from '../client.builders.ts';

/** An authority of clients, with one of them. */
async function createClients(name: string) {
  const issuer = await createIssuer(name);
  const keys = await createKeys();
  const leaf = await createLeaf({ issuer, names: ['client.test'], publicKey: keys.publicKey });
  return { ca: issuer.certificate.toString('pem'), cert: leaf.toString('pem'), key: await privateKeyPem(keys) };
}

/** Makes a server that answers only clients whose certificate it trusts. */
async function listen(client: CertBus, ca: string, { isAttached = true } = {}) {
  const server: Server = createServer(client.tlsOptions({ requestCert: true, ca }), (socket) => {
    socket.on('error', () => {}).end('welcome');
  });
  server.on('tlsClientError', () => {});
  if (isAttached) client.attach(server);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  return { server, port: (server.address() as AddressInfo).port };
}

type TlsVersion = 'TLSv1.2' | 'TLSv1.3';

/** What a server says to a client, and the serial number that it showed; an empty answer where it refuses it. */
function visit(
  port: number,
  { cert, key }: { readonly cert?: string; readonly key?: string },
  version: TlsVersion = 'TLSv1.3',
  servername = 'a.test',
): Promise<{ readonly said: string; readonly serialNumber: string | undefined }> {
  const socket = dial({
    ...{ host: '127.0.0.1', port, servername, rejectUnauthorized: false, maxVersion: version },
    ...(cert && key ? { cert, key } : {}),
  });
  let said = '';
  let serialNumber: string | undefined;
  socket.on('secureConnect', () => {
    ({ serialNumber } = socket.getPeerX509Certificate() ?? {});
  });
  socket.on('data', (chunk) => {
    said += String(chunk);
  });
  return new Promise((resolve) => {
    socket.on('error', () => {}).on('close', () => resolve({ said, serialNumber }));
  });
}

test.each([
  ['attached', 'TLSv1.3'],
  ['attached', 'TLSv1.2'],
  ['with the callback alone', 'TLSv1.3'],
  ['with the callback alone', 'TLSv1.2'],
] as const)(
  'a server that is %s lets in the clients of its own authorities and nobody else, %s',
  async (how, version) => {
    const [own, publicOnes] = [await createClients('Own'), await createClients('Public')];
    const before = getCACertificates('default');
    setDefaultCACertificates([...before, publicOnes.ca]);
    onTestFinished(() => setDefaultCACertificates(before));
    const bus = await newBus();
    await bus.issue(['a.test']);
    const client = await newClient(bus);
    const { port } = await listen(client, own.ca, { isAttached: how === 'attached' });
    for (const round of ['made', 'there already']) {
      expect(await visit(port, own, version), round).toMatchObject({ said: 'welcome' });
      expect(await visit(port, publicOnes, version), round).toMatchObject({ said: '' });
      expect(await visit(port, {}, version), round).toMatchObject({ said: '' });
    }
  },
);

test('servers of one client each go by their own authorities, also by those that they are given later', async () => {
  const [one, other] = [await createClients('One'), await createClients('Other')];
  const bus = await newBus();
  await bus.issue(['a.test']);
  const client = await newClient(bus);
  const [first, second] = [await listen(client, one.ca), await listen(client, other.ca)];
  const letIn = async (port: number) => [(await visit(port, one)).said, (await visit(port, other)).said];
  expect([await letIn(first.port), await letIn(second.port)]).toEqual([
    ['welcome', ''],
    ['', 'welcome'],
  ]);
  first.server.setSecureContext({ ca: other.ca });
  expect(await letIn(first.port)).toEqual(['', 'welcome']);
});

test('a renewal and a removal reach a server that asks for certificates, and one that closed begins again', async () => {
  const own = await createClients('Own');
  const bus = await newBus();
  const { certificateId, serialNumber } = await bus.issue(['a.test']);
  const client = await newClient(bus);
  const { server, port } = await listen(client, own.ca);
  expect(await visit(port, own)).toEqual({ said: 'welcome', serialNumber });
  const renewed = await bus.issue(['a.test']);
  await expect.poll(async () => (await visit(port, own)).serialNumber).toBe(renewed.serialNumber);
  server.close();
  await once(server, 'close');
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  expect(await visit(port, own)).toEqual({ said: 'welcome', serialNumber: renewed.serialNumber });
  await bus.remove(certificateId);
  await expect.poll(async () => (await visit(port, own)).serialNumber).toBeUndefined();
});

/** The chains of contexts that are made with authorities of clients from now on. */
function watchMaking(ca: string): readonly unknown[] {
  const made: unknown[] = [];
  const { createSecureContext } = tls;
  tls.createSecureContext = (options) => {
    if (options?.key && options.ca === ca) made.push(options.cert);
    return createSecureContext(options);
  };
  syncBuiltinESMExports();
  onTestFinished(() => {
    tls.createSecureContext = createSecureContext;
    syncBuiltinESMExports();
  });
  return made;
}

test.each([
  ['attached, when it is', { isAttached: true }],
  ['with the callback alone, at its first handshake', { isAttached: false }],
])(
  'what was in use before a restart, or before its authorities changed, is made for a server that is %s',
  async (_, how) => {
    const [own, other] = [await createClients('Own'), await createClients('Other')];
    const folder = temporaryFolder();
    onTestFinished(() => folder.remove());
    const bus = await newBus();
    const names = ['a.test', 'b.test', 'c.test'];
    for (const name of [...names, 'unused.test']) await bus.issue([name]);
    const begin = async () => {
      const client = await newClient(bus, { stateDirectory: folder.path });
      return { client, ...(await listen(client, own.ca, how)) };
    };
    const before = await begin();
    for (const name of names) expect(await visit(before.port, own, 'TLSv1.3', name)).toMatchObject({ said: 'welcome' });
    // As a program does that is told to end.
    before.server.close();
    await once(before.server, 'close');
    await before.client.close();
    const made = watchMaking(own.ca);
    const { server, port } = await begin();
    if (!how.isAttached) expect(await visit(port, own)).toMatchObject({ said: 'welcome' });
    await expect.poll(() => made).toHaveLength(names.length);
    expect(new Set(made).size).toBe(names.length);
    const madeForOther = watchMaking(other.ca);
    server.setSecureContext({ ca: other.ca });
    expect(await visit(port, other)).toMatchObject({ said: 'welcome' });
    await expect.poll(() => madeForOther).toHaveLength(names.length);
    expect(made).toHaveLength(names.length);
  },
);
