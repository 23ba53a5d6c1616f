/** A client whose replica was damaged, with its bus away and back. */
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import type { ConnectOptions } from './cert-bus.ts';
import { connect } from './connect.ts';
import type { CertBus } from './index.ts';
import { createTestBus, type TestBus } from './testing.ts';
import { shakeHands, startTlsServer } from './tls/tls.builders.ts';

const folder = temporaryFolder();
const PAGE_BYTES = 4_096;
const NAMES = Array.from({ length: 40 }, (_, n) => `host${n}.test`);
const RENEWED = NAMES.slice(0, 10);
const newest = new Map<string, string>();
const busFile = join(folder.path, 'bus.db');
const made = join(folder.path, 'made');
let bus: TestBus;

beforeAll(async () => {
  const address = `sqlite:${busFile}#test`;
  bus = await createTestBus({ address });
  for (const name of [...NAMES, ...RENEWED]) newest.set(name, (await bus.issue([name])).serialNumber);
  const { identity, trust } = bus;
  const client = await connect({ bus: address, identity, trust, stateDirectory: made });
  await client.close();
  await bus.close();
});
afterAll(() => folder.remove());

/** A client on a copy of the state, which was damaged before it starts. */
async function start(
  name: string,
  damage: (bytes: Buffer) => void,
  options: Partial<ConnectOptions> = {},
): Promise<{ client: CertBus; alarms: Error[]; path: string }> {
  const state = join(folder.path, name);
  mkdirSync(state, { mode: 0o700 });
  for (const file of readdirSync(made)) copyFileSync(join(made, file), join(state, file));
  const [replica = ''] = readdirSync(state).filter((file) => /^client-\w+\.db$/.test(file));
  const bytes = readFileSync(join(state, replica));
  damage(bytes);
  writeFileSync(join(state, replica), bytes);
  const { identity, trust } = bus;
  const client = await connect({
    bus: `sqlite:${busFile}#test`,
    identity,
    trust,
    stateDirectory: state,
    intervalMs: 100,
    ...options,
  });
  onTestFinished(() => client.close());
  const alarms: Error[] = [];
  client.on('alarm', (error) => alarms.push(error));
  return { client, alarms, path: join(state, replica) };
}

/** Moves the bus away, and returns what brings it back. */
function takeBusAway(): () => void {
  const away = `${busFile}.away`;
  renameSync(busFile, away);
  const bringBack = () => {
    if (existsSync(away)) renameSync(away, busFile);
  };
  onTestFinished(bringBack);
  return bringBack;
}

/** Serial numbers by name, as the certificates list them. */
const servedBy = (client: CertBus): Map<string, string> =>
  new Map([...client.certificates()].flatMap(({ names, serialNumber }) => names.map((name) => [name, serialNumber])));

function flip(bytes: Buffer, at: number): void {
  bytes.writeUInt8(bytes.readUInt8(at) ^ 1, at);
}

/** Where a text is in a table's page, which is the one that begins with its type. */
function placeOf(bytes: Buffer, text: string): number {
  for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1))
    if (bytes[at - (at % PAGE_BYTES)] === 0x0d) return at;
  throw new Error(`${text} is not there`);
}

test.each([
  ['the magic string of the file', (bytes: Buffer) => flip(bytes, 3), NAMES.length],
  ['the schema', (bytes: Buffer) => flip(bytes, bytes.indexOf('CREATE TABLE certificates') + 20), NAMES.length],
  ['the state of a certificate', (bytes: Buffer) => flip(bytes, placeOf(bytes, '"leafHash":"') + 14), NAMES.length - 1],
  ['the position of the replica', (bytes: Buffer) => flip(bytes, placeOf(bytes, '"position":') + 12), NAMES.length],
] as const)(
  'a bit that flipped in %s loses what it is in, with an alarm, while the bus is away; and nothing once it is back',
  async (what, damage, left) => {
    const bringBack = takeBusAway();
    const { client, alarms } = await start(what.replaceAll(' ', '-'), damage);
    await expect.poll(() => alarms.map((alarm) => 'code' in alarm && alarm.code)).toContain('CERTBUS_REPLICA_DAMAGED');
    await expect.poll(() => servedBy(client).size).toBe(left);
    for (const [name, serialNumber] of servedBy(client)) expect([name, serialNumber]).toEqual([name, newest.get(name)]);
    const [name = ''] = servedBy(client).keys();
    expect(await client.secureContextFor(name)).toBeDefined();
    bringBack();
    await expect.poll(() => client.health().position).toBeGreaterThan(NAMES.length);
    await expect.poll(() => servedBy(client)).toEqual(newest);
  },
);

test('a row that is damaged while a client runs was not removed: what is shown of it goes on, to names and as the default', async () => {
  const bringBack = takeBusAway();
  const name = 'host3.test';
  let at = Date.now();
  const { client, alarms, path } = await start('running', () => {}, { defaultName: name, now: () => new Date(at) });
  const server = await startTlsServer(client);
  onTestFinished(() => server.close());
  const shownTo = async (servername: string) =>
    (await shakeHands(server.port, servername, { ca: '', insecure: true })).serialNumber;
  const both = async () => [await shownTo(name), await shownTo('')];
  const expected = [newest.get(name), newest.get(name)];
  expect(await both()).toEqual(expected);
  expect(client.health().damageCount).toBe(0);
  const changed: string[] = [];
  client.on('changed', ({ names }) => changed.push(...names));
  const rebuilt = new Promise<void>((resolve) => client.on('rebuilt', () => resolve()));
  const database = new DatabaseSync(path);
  database.prepare("UPDATE states SET digest = digest + 1 WHERE json_extract(state, '$.names[0]') = ?").run(name);
  // No copy of the row is left that fits.
  database.exec('PRAGMA wal_checkpoint(TRUNCATE)');
  database.close();
  // What was found for a name is looked up again once another certificate may rank higher.
  at += 100 * 86_400_000;
  expect(await both()).toEqual(expected);
  await expect.poll(() => alarms.map(({ message }) => message).join()).toContain(' and 1 was lost');
  expect(await both()).toEqual(expected);
  expect(client.health().damageCount).toBeGreaterThan(0);
  bringBack();
  await rebuilt;
  expect(await both()).toEqual(expected);
  expect(changed).toEqual([]);
});

test('a replica that is lost as a whole while a client runs takes nothing away of what is shown, until the bus is back', async () => {
  const bringBack = takeBusAway();
  const { client, alarms, path } = await start('lost', () => {});
  const server = await startTlsServer(client);
  onTestFinished(() => server.close());
  const name = 'host3.test';
  const shown = async () => (await shakeHands(server.port, name, { ca: '', insecure: true })).serialNumber;
  expect(await shown()).toBe(newest.get(name));
  const { session = Buffer.alloc(0) } = await shakeHands(server.port, name, { ca: '', insecure: true });
  const { position } = client.health();
  const file = openSync(path, 'r+');
  writeSync(file, Buffer.alloc(statSync(path).size - PAGE_BYTES, 0xff), 0, undefined, PAGE_BYTES);
  closeSync(file);
  await expect.poll(() => alarms.map(({ message }) => message).join()).toContain('damaged as a whole');
  expect(await shown()).toBe(newest.get(name));
  expect((await shakeHands(server.port, name, { ca: '', session })).reused).toBe(true);
  expect(client.health()).toMatchObject({ ready: false, position, trouble: { code: 'CERTBUS_REPLICA_DAMAGED' } });
  const rebuilt = new Promise<void>((resolve) => client.on('rebuilt', () => resolve()));
  bringBack();
  await rebuilt;
  expect(servedBy(client)).toEqual(newest);
  expect(client.health()).toMatchObject({ ready: true, position });
});

/** Stands still with the whole event loop, so that this thread hears of nothing meanwhile. */
const standStill = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);

test('a file that was made again and then changed by somebody, before this thread opened it, is mended by the one that writes it', async () => {
  const { client, alarms, path } = await start('foreign-table', () => {});
  rmSync(path);
  const isMade = () => {
    try {
      using made = new DatabaseSync(path, { readOnly: true });
      return made.prepare('SELECT is_complete FROM bus').get()?.['is_complete'] === 1;
    } catch {
      return false;
    }
  };
  for (let looks = 0; looks < 3_000 && !isMade(); looks += 1) standStill(10);
  expect(isMade()).toBe(true);
  const foreign = new DatabaseSync(path, { timeout: 30_000 });
  foreign.exec('CREATE TABLE foreign_one (a)');
  foreign.close();
  const messages = () => alarms.map(({ message }) => message);
  await expect.poll(messages).toContainEqual(expect.stringContaining('removed or replaced while it was in use'));
  await expect.poll(() => client.health()).toMatchObject({ ready: true, live: true, trouble: undefined });
  for (const name of NAMES) expect(await client.secureContextFor(name)).toBeDefined();
  expect([...client.certificates()]).toHaveLength(NAMES.length);
});
