import { execFile } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readdirSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createIdentity, parseIdentityFile, seal } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, expect, onTestFinished, test, vi } from 'vitest';
import type { CertBus, ConnectOptions } from './cert-bus.ts';
import { alarmsOf } from './client.builders.ts';
import { connect } from './connect.ts';
import { createTestBus, type TestBus } from './testing.ts';
import { shakeHands, startTlsServer } from './tls/tls.builders.ts';

const folder = temporaryFolder();
const open: { close(): Promise<void> }[] = [];
let places = 0;
const newPlace = (name: string) => {
  places += 1;
  return join(folder.path, `${places}-${name}`);
};

afterEach(async () => {
  for (const it of open.splice(0).reverse()) await it.close();
});
afterAll(() => folder.remove());

async function newBus(address?: string): Promise<TestBus> {
  const bus = await createTestBus(address ? { address } : {});
  open.push(bus);
  return bus;
}

async function newClient(
  test: Pick<TestBus, 'identity' | 'trust' | 'bus'>,
  options: Partial<ConnectOptions> = {},
): Promise<CertBus> {
  const { bus, identity, trust } = test;
  const client = await connect({
    bus,
    identity,
    trust,
    replica: ':memory:',
    intervalMs: 100,
    ...options,
  } as ConnectOptions);
  open.push(client);
  return client;
}

async function newServer(client: CertBus) {
  const server = await startTlsServer(client);
  open.push(server);
  return server;
}

/** Waits until the client serves the position of the bus's last event. */
async function untilChanged(client: CertBus, change: () => Promise<unknown>): Promise<void> {
  const changed = new Promise<void>((resolve) => {
    client.on('changed', () => resolve());
  });
  await change();
  await changed;
}

test('a server answers with the certificate of the bus, for every way to type its name', async () => {
  const bus = await newBus();
  const exact = await bus.issue(['www.a.test']);
  const wildcard = await bus.issue(['*.a.test', 'a.test']);
  const idn = await bus.issue(['bücher.test']);
  const client = await newClient(bus);
  const { port } = await newServer(client);
  const serialOf = async (name: string) => (await shakeHands(port, name, { ca: bus.roots })).serialNumber;
  expect(await serialOf('www.a.test')).toBe(exact.serialNumber);
  expect(await serialOf('shop.a.test')).toBe(wildcard.serialNumber);
  expect(await serialOf('a.test')).toBe(wildcard.serialNumber);
  expect(await serialOf('xn--bcher-kva.test')).toBe(idn.serialNumber);
  // Node's own client sends it as it is typed.
  expect((await shakeHands(port, 'BÜCHER.test.', { ca: bus.roots, insecure: true })).serialNumber).toBe(
    idn.serialNumber,
  );
  expect(await client.secureContextFor('WWW.A.Test.')).toBe(await client.secureContextFor('www.a.test'));
  expect(await client.secureContextFor('bücher.test')).toBe(await client.secureContextFor('xn--bcher-kva.test'));
  expect([...client.certificates()]).toHaveLength(3);
});

test('a name without a certificate is refused by TLS, and told', async () => {
  const bus = await newBus();
  await bus.issue(['a.test']);
  const client = await newClient(bus);
  const missing: string[] = [];
  client.on('missing', ({ serverName }) => missing.push(serverName));
  const { port } = await newServer(client);
  await expect(shakeHands(port, 'b.test', { ca: bus.roots })).rejects.toThrow(/handshake failure/);
  await expect(shakeHands(port, 'deep.www.a.test', { ca: bus.roots })).rejects.toThrow(/handshake failure/);
  expect(missing).toEqual(['b.test', 'deep.www.a.test']);
  expect(client.health().missingNames).toEqual(missing);
});

test('a name with letters that no certificate covers is told as it was typed', async () => {
  const bus = await newBus();
  const client = await newClient(bus);
  const missing: string[] = [];
  client.on('missing', ({ serverName }) => missing.push(serverName));
  const { port } = await newServer(client);
  for (const name of ['straße über.test', '例え.test'])
    await expect(shakeHands(port, name, { ca: bus.roots })).rejects.toThrow(/handshake failure/);
  expect(missing).toEqual(['straße über.test', 'xn--r8jz45g.test']);
});

test("a name that steers a terminal is shown without what steers it, and not longer than DNS's names", async () => {
  const bus = await newBus();
  const client = await newClient(bus);
  const missing: string[] = [];
  client.on('missing', ({ serverName }) => missing.push(serverName));
  const ask = (typed: string) => new Promise((resolve) => client.sniCallback(typed, resolve));
  await ask('a\u001b[31m\u009b2J\u202e\u2028\u061c\ud800.test');
  await ask('x'.repeat(100_000));
  expect(missing).toEqual(['a\ufffd[31m\ufffd2J\ufffd\ufffd\ufffd\ufffd.test', 'x'.repeat(255)]);
  expect(client.health().missingNames).toEqual(missing);
});

test('with a default name, clients without a name get its certificate and unknown names are reset', async () => {
  const bus = await newBus();
  const { serialNumber } = await bus.issue(['a.test']);
  const client = await newClient(bus, { defaultName: 'a.test' });
  const { port } = await newServer(client);
  await new Promise((resolve) => setTimeout(resolve, 50));
  await expect(shakeHands(port, 'b.test', { ca: bus.roots })).rejects.toThrow(/ECONNRESET|disconnected|ended/);
  const unnamed = await shakeHands(port, '', { ca: bus.roots, session: Buffer.alloc(0) }).catch(
    (error: Error) => error,
  );
  expect(unnamed).toMatchObject({ serialNumber });
});

test.each(['TLSv1.3', 'TLSv1.2'] as const)(
  'a removed name is refused at the next handshake, and its %s sessions do not resume',
  async (maxVersion) => {
    const bus = await newBus();
    const { certificateId } = await bus.issue(['a.test']);
    const client = await newClient(bus);
    const { port } = await newServer(client);
    const { session } = await shakeHands(port, 'a.test', { ca: bus.roots, maxVersion });
    if (!session) throw new TypeError('a ticket was given');
    expect((await shakeHands(port, 'a.test', { ca: bus.roots, session, maxVersion })).reused).toBe(true);
    await untilChanged(client, () => bus.remove(certificateId));
    await expect(shakeHands(port, 'a.test', { ca: bus.roots, maxVersion })).rejects.toThrow();
    await expect(shakeHands(port, 'a.test', { ca: bus.roots, session, maxVersion })).rejects.toThrow();
  },
);

test('a successor whose key does not open leaves the predecessor in service, and raises an alarm', async () => {
  const bus = await newBus();
  const good = await bus.issue(['a.test']);
  const client = await newClient(bus);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { port } = await newServer(client);
  await shakeHands(port, 'a.test', { ca: bus.roots });
  const other = await bus.issue(['other.test']);
  const stranger = await parseIdentityFile(await createIdentity());
  const event = {
    type: 'CertificateObtained' as const,
    issuanceId: 'issuance0001',
    certificateId: good.certificateId,
    reason: 'renewal' as const,
    names: ['a.test'],
    leaf: Buffer.from(other.certificate.replace(/-----[^-]+-----|\s/g, ''), 'base64').toString('base64'),
    issuers: [],
    sealedKey: await seal(other.privateKey, [{ name: 'stranger', recipient: stranger.recipient }]),
    serialNumber: 'BAD0',
    notBefore: new Date(Date.now() - 1_000).toISOString(),
    notAfter: new Date(Date.now() + 86_400_000 * 90).toISOString(),
    challengeType: 'dns-01' as const,
    directory: 'https://ca.test/directory',
  };
  await untilChanged(client, () => bus.append(event));
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(good.serialNumber);
  expect(alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_NOT_OPENED' }]);
  expect(client.health().unopenedKeys).toEqual([event.certificateId]);
  // Another certificate's change is no reason to raise the same alarm again.
  await untilChanged(client, () => bus.issue(['c.test']));
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(good.serialNumber);
  expect(alarms).toHaveLength(1);
});

test('a certificate whose only key does not open raises one alarm for all of its names, until it changes', async () => {
  const bus = await newBus();
  const stranger = await parseIdentityFile(await createIdentity());
  const other = await bus.issue(['other.test']);
  const sealedTo = async ({ recipient }: { readonly recipient: string }, issuanceId: string) => ({
    type: 'CertificateObtained' as const,
    issuanceId,
    certificateId: 'certificate1',
    reason: 'new' as const,
    names: ['*.a.test'],
    leaf: new X509Certificate(other.certificate).raw.toString('base64'),
    issuers: [],
    sealedKey: await seal(other.privateKey, [{ name: 'somebody', recipient }]),
    serialNumber: 'BAD0',
    notBefore: new Date(Date.now() - 1_000).toISOString(),
    notAfter: new Date(Date.now() + 86_400_000 * 90).toISOString(),
    challengeType: 'dns-01' as const,
    directory: 'https://ca.test/directory',
  });
  await bus.append(await sealedTo(stranger, 'issuance0001'));
  const client = await newClient(bus);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const ask = () => Promise.all(['x.a.test', 'y.a.test', 'x.a.test'].map((name) => client.secureContextFor(name)));
  expect(await ask()).toEqual([undefined, undefined, undefined]);
  await untilChanged(client, () => bus.issue(['c.test']));
  expect(await ask()).toEqual([undefined, undefined, undefined]);
  expect(alarms).toMatchObject([{ code: 'CERTBUS_CLIENT_KEY_NOT_OPENED' }]);
  expect(client.health().unopenedKeys).toEqual(['certificate1']);
  const own = await parseIdentityFile(bus.identity);
  await untilChanged(client, async () => bus.append(await sealedTo(own, 'issuance0002')));
  expect((await ask()).every(Boolean)).toBe(true);
  expect([alarms.length, client.health().unopenedKeys]).toEqual([1, []]);
});

test('a successor that begins a moment ahead is shown from then on, also as the default certificate', async () => {
  const bus = await newBus();
  const before = await bus.issue(['a.test']);
  let nowMs = Date.now();
  const client = await newClient(bus, { now: () => new Date(nowMs), defaultName: 'a.test' });
  const { port } = await newServer(client);
  const successor = await bus.issue(['b.test']);
  const leaf = new X509Certificate(successor.certificate);
  const begins = nowMs + 60_000;
  const event = {
    type: 'CertificateObtained' as const,
    issuanceId: 'issuance0001',
    certificateId: before.certificateId,
    reason: 'renewal' as const,
    names: ['a.test'],
    leaf: leaf.raw.toString('base64'),
    issuers: [],
    sealedKey: await seal(successor.privateKey, [
      { name: 'servers', recipient: (await parseIdentityFile(bus.identity)).recipient },
    ]),
    serialNumber: successor.serialNumber,
    notBefore: new Date(begins).toISOString(),
    notAfter: leaf.validToDate.toISOString(),
    challengeType: 'dns-01' as const,
    directory: 'https://ca.test/directory',
  };
  await untilChanged(client, () => bus.append(event));
  const shown = async (name: string) => (await shakeHands(port, name, { ca: bus.roots, insecure: true })).serialNumber;
  expect([await shown('a.test'), await shown('')]).toEqual([before.serialNumber, before.serialNumber]);
  nowMs = begins;
  expect([await shown('a.test'), await shown('')]).toEqual([successor.serialNumber, successor.serialNumber]);
});

test('a restart without the bus serves, and catches up when the bus is back', async () => {
  const path = newPlace('bus.db');
  const stateDirectory = newPlace('state');
  const address = `sqlite:${path}#test`;
  const bus = await newBus(address);
  const before = await bus.issue(['a.test']);
  const options = { bus: address, stateDirectory, replica: undefined } as unknown as Partial<ConnectOptions>;
  await (await newClient(bus, options)).close();
  renameSync(path, `${path}.away`);
  // It does not wait for the bus.
  const client = await newClient(bus, { ...options, startTimeoutMs: 3_600_000 });
  const { port } = await newServer(client);
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(before.serialNumber);
  await expect.poll(() => client.health()).toMatchObject({ live: false, trouble: { code: 'CERTBUS_STORE_NOT_FOUND' } });
  renameSync(`${path}.away`, path);
  const after = await bus.issue(['a.test']);
  await expect
    .poll(async () => (await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber)
    .toBe(after.serialNumber);
  await expect.poll(() => client.health()).toMatchObject({ live: true, trouble: undefined });
});

test('paths are taken from the folder that the process is in when it connects', async () => {
  const [here, elsewhere] = [newPlace('here'), newPlace('elsewhere')];
  for (const folder of [here, elsewhere]) mkdirSync(folder);
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(here);
  const bus = await newBus(`sqlite:${join(here, 'bus.db')}#test`);
  await bus.issue(['a.test']);
  writeFileSync('key', bus.identity, { mode: 0o600 });
  writeFileSync('bus.pub', bus.trust);
  const paths = { bus: 'sqlite:bus.db#test', identity: 'key', trust: 'bus.pub', archive: 'file:archive' };
  const connecting = connect({ ...paths, stateDirectory: 'state', intervalMs: 100 });
  process.chdir(elsewhere);
  await using client = await connecting;
  const alarms = alarmsOf(client);
  const { serialNumber } = await bus.issue(['a.test']);
  await expect.poll(() => [...client.certificates()][0]?.serialNumber).toBe(serialNumber);
  expect(await client.secureContextFor('a.test')).toBeDefined();
  await client.close();
  expect([readdirSync(elsewhere), alarms]).toEqual([[], []]);
  expect(readdirSync(join(here, 'state')).filter((name) => name.endsWith('.db'))).toHaveLength(1);
});

test('an empty text in the place of the state directory is not the folder that the process is in', async () => {
  const [here, state] = [newPlace('here'), newPlace('state')];
  mkdirSync(here);
  const before = process.cwd();
  onTestFinished(() => process.chdir(before));
  process.chdir(here);
  vi.stubEnv('CERTBUS_STATE_DIR', state);
  onTestFinished(() => void vi.unstubAllEnvs());
  const { bus, identity, trust } = await newBus();
  open.push(await connect({ bus, identity, trust, stateDirectory: '' }));
  expect([readdirSync(here), readdirSync(state).length > 0]).toEqual([[], true]);
});

test('an empty replica and no bus: a clear error that names the bus and what to do', async () => {
  const { identity, trust } = await newBus();
  const address = `sqlite:${newPlace('nowhere.db')}#test`;
  const start = connect({ bus: address, identity, trust, replica: ':memory:', startTimeoutMs: 300, intervalMs: 100 });
  await expect(start).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_BUS_UNREACHABLE',
    message: expect.stringMatching(/nowhere\.db.*does not exist.*Check the address/s),
  });
});

test('a bus without certificates is enough to start, and to answer HTTP-01', async () => {
  const bus = await newBus();
  const client = await newClient(bus);
  const server = createServer((request, response) => {
    if (!client.acmeHttpHandler(request, response)) response.writeHead(404).end('not mine');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/.well-known/acme-challenge`;
  expect((await fetch(`${url}/token`)).status).toBe(404);
  const [thumbprint, other] = ['A'.repeat(43), 'E'.repeat(43)];
  const account = (directory: string) => ({ directory, accountUrl: `${directory}1`, sealedKey: '' });
  await bus.append(
    { type: 'AccountRegistered', ...account('https://ca.test/'), thumbprint, stateless: true },
    { type: 'AccountRegistered', ...account('https://other.test/'), thumbprint: other },
    {
      type: 'ChallengePresented',
      issuanceId: 'issuance01',
      challengeType: 'http-01',
      identifier: 'a.test',
      token: 'announced',
      thumbprint: other,
      expiresAt: new Date(Date.now() + 900_000).toISOString(),
    },
  );
  await expect.poll(async () => (await fetch(`${url}/to_ken-1`)).text()).toBe(`to_ken-1.${thumbprint}`);
  expect(await (await fetch(`${url}/announced`)).text()).toBe(`announced.${other}`);
  for (const wrong of ['/../secret', '/a%2fb', '/', `/${'a'.repeat(300)}`])
    expect((await fetch(url + wrong)).status).toBe(404);
  expect((await fetch(`${url}/token`, { method: 'POST' })).status).toBe(404);
  server.close();
});

test('a forged commit raises an alarm, and what was served stays served', async () => {
  const path = newPlace('bus.db');
  const bus = await newBus(`sqlite:${path}#test`);
  const { serialNumber } = await bus.issue(['a.test']);
  const client = await newClient(bus, { bus: `sqlite:${path}#test` });
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { port } = await newServer(client);
  const { openLog } = await import('@certbus/store/open');
  const log = await openLog(`sqlite:${path}#test`);
  await log.append('test', client.health().position, Buffer.from('{"forged":true}\n0123456789abcdef x\n'));
  await log.close();
  await expect.poll(() => alarms.length).toBeGreaterThan(0);
  expect(alarms[0]).toMatchObject({ code: 'CERTBUS_EVENTS_COMMIT_MALFORMED', position: client.health().position + 1 });
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(serialNumber);
});

test('a damaged replica is set aside and read again, with an alarm', async () => {
  const address = `sqlite:${newPlace('bus.db')}#test`;
  const stateDirectory = newPlace('state');
  const bus = await newBus(address);
  const { serialNumber } = await bus.issue(['a.test']);
  const options = { bus: address, stateDirectory, replica: undefined } as unknown as Partial<ConnectOptions>;
  await (await newClient(bus, options)).close();
  const [file = ''] = readdirSync(stateDirectory).filter((name) => /^client-\w+\.db$/.test(name));
  writeFileSync(join(stateDirectory, file), 'no database any more');
  const client = await newClient(bus, options);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { port } = await newServer(client);
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(serialNumber);
  expect(alarms).toMatchObject([{ code: 'CERTBUS_REPLICA_DAMAGED' }]);
});

test('a state directory that others can write, as that of a pod, is used for a folder of its own', async () => {
  const address = `sqlite:${newPlace('bus.db')}#test`;
  const bus = await newBus(address);
  const { serialNumber } = await bus.issue(['a.test']);
  const stateDirectory = newPlace('state');
  mkdirSync(stateDirectory);
  chmodSync(stateDirectory, 0o777);
  const options = { bus: address, stateDirectory, replica: undefined } as unknown as Partial<ConnectOptions>;
  const client = await newClient(bus, options);
  const { port } = await newServer(client);
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(serialNumber);
  const [own = '', ...others] = readdirSync(stateDirectory);
  expect(others).toEqual([]);
  expect(statSync(join(stateDirectory, own)).mode & 0o777).toBe(0o700);
  expect(readdirSync(join(stateDirectory, own))).toContainEqual(expect.stringMatching(/^client-\w+\.db$/));
  await client.close();
  chmodSync(join(stateDirectory, own), 0o702);
  await expect(newClient(bus, options)).rejects.toMatchObject({ code: 'CERTBUS_REPLICA_FILE_OPEN' });
});

test('a key vault that others can write is not used, with an alarm', async () => {
  const address = `sqlite:${newPlace('bus.db')}#test`;
  const bus = await newBus(address);
  const { serialNumber } = await bus.issue(['a.test']);
  const stateDirectory = newPlace('state');
  const options = { bus: address, stateDirectory, replica: undefined } as unknown as Partial<ConnectOptions>;
  await (await newClient(bus, options)).close();
  const [vault = ''] = readdirSync(stateDirectory).filter((name) => name.endsWith('.keys'));
  chmodSync(join(stateDirectory, vault), 0o666);
  const client = await newClient(bus, options);
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { port } = await newServer(client);
  expect((await shakeHands(port, 'a.test', { ca: bus.roots })).serialNumber).toBe(serialNumber);
  expect(alarms).toMatchObject([{ message: expect.stringContaining('can be written by others') }]);
});

test('a pipe in the place of a key or trust file hangs no start', async () => {
  const { bus, identity, trust } = await newBus();
  const pipe = newPlace('fifo');
  await promisify(execFile)('mkfifo', ['-m', '600', pipe]);
  for (const files of [
    { identity: pipe, trust },
    { identity, trust: pipe },
  ])
    await expect(newClient({ bus, ...files })).rejects.toMatchObject({
      code: 'CERTBUS_CLIENT_FILE_UNREADABLE',
      message: expect.stringMatching(/not a regular file/),
    });
});

test.each(['identity', 'trust'])(
  'of %s a folder in its place is named as one, and a missing variable',
  async (option) => {
    const bus = await newBus();
    // Docker makes one where the file that it is to mount is not there.
    const place = newPlace('mounted');
    mkdirSync(place);
    const refusal = async (text: string) => newClient({ ...bus, [option]: text }).catch((error: unknown) => error);
    const [folder, empty] = [await refusal(place), await refusal('')];
    expect([folder, empty]).toMatchObject([
      { code: 'CERTBUS_CLIENT_FILE_UNREADABLE', message: expect.stringContaining('it is a folder; name a file') },
      { code: 'CERTBUS_CLIENT_FILE_UNREADABLE', message: expect.stringContaining(`The option "${option}" is empty.`) },
    ]);
    expect(String(folder) + String(empty)).not.toContain('chmod');
  },
);

test('key files: others may not read them, and what is no key is refused', async () => {
  const bus = await newBus();
  const identity = newPlace('loadbalancer.key');
  writeFileSync(identity, bus.identity, { mode: 0o644 });
  await expect(newClient({ ...bus, identity })).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_KEY_FILE_OPEN',
    message: expect.stringContaining('chmod 600'),
  });
  chmodSync(identity, 0o600);
  await newClient({ ...bus, identity });
  await expect(newClient({ ...bus, identity: newPlace('none.key') })).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_FILE_UNREADABLE',
  });
  const trust = newPlace('bus.pub');
  writeFileSync(trust, bus.trust);
  chmodSync(trust, 0o666);
  await expect(newClient({ ...bus, trust })).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_KEY_FILE_OPEN',
    message: expect.stringContaining('chmod go-w'),
  });
  chmodSync(trust, 0o644);
  await newClient({ ...bus, identity, trust });
  const open = newPlace('open');
  mkdirSync(open);
  copyFileSync(identity, join(open, 'loadbalancer.key'));
  chmodSync(join(open, 'loadbalancer.key'), 0o600);
  await newClient({ ...bus, identity: join(open, 'loadbalancer.key') });
  chmodSync(open, 0o777);
  await expect(newClient({ ...bus, identity: join(open, 'loadbalancer.key') })).rejects.toMatchObject({
    code: 'CERTBUS_CLIENT_KEY_FILE_OPEN',
    message: expect.stringContaining(`chmod go-w ${open}`),
  });
  writeFileSync(identity, 'no key');
  await expect(newClient({ ...bus, identity })).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_KEY_MALFORMED' });
  await expect(newClient({ ...bus, trust: 'certbus1 nonsense' })).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_TRUST_MALFORMED',
  });
});

test('a wrong identity: no handshake, and an alarm that says which certificate', async () => {
  const bus = await newBus();
  const { certificateId } = await bus.issue(['a.test']);
  const client = await newClient({ ...bus, identity: await createIdentity() });
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  const { port } = await newServer(client);
  await expect(shakeHands(port, 'a.test', { ca: bus.roots })).rejects.toThrow(/handshake failure/);
  expect(alarms[0]?.message).toContain(certificateId);
});

test('importing the client loads neither the AWS SDK nor any ACME code', async () => {
  const script = `
    import { registerHooks } from 'node:module';
    const loaded = [];
    registerHooks({ load: (url, context, next) => (loaded.push(url), next(url, context)) });
    await import('@certbus/client');
    console.log(JSON.stringify(loaded));`;
  const args = ['--conditions=certbus:source', '--input-type=module', '-e', script];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
  });
  const loaded: string[] = JSON.parse(stdout);
  expect(loaded.some((url) => url.includes('connect'))).toBe(true);
  expect(loaded.filter((url) => /aws-sdk|smithy|acme/.test(url))).toEqual([]);
});
