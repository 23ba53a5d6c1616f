import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { zstdCompressSync } from 'node:zlib';
import { sha256 } from '@certbus/events';
import {
  BEGINNING,
  type BusState,
  type Checkpoint,
  EMPTY_BUS,
  type PlacedRootEvent,
  signRootEvent,
} from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { openFolder } from '../adapters/places/folder.ts';
import { beginBus, createKeys, type Keys } from '../bus.builders.ts';
import type { ArchivePlace } from './place.ts';
import { packRecords, type SnapshotRecord, unpackRecords } from './slim-records.ts';
import { openSnapshot, publishSnapshot, type SnapshotContent, writeSnapshot } from './snapshot.ts';

const folder = temporaryFolder();
let runs = 0;
let root: string;
let place: ArchivePlace;
let keys: Keys;
let rootEvents: PlacedRootEvent[];
let checkpoint: Checkpoint;

/** How far the bus reaches. */
const HEAD = { position: 100, restored: 102 };
const ISSUER = Buffer.from('issuer');
const leafOf = (n: number) => Buffer.from(`leaf ${n} \u0000\u00ff`).toString('base64');
const record = (n: number): SnapshotRecord => ({
  position: n,
  certificate: {
    certificateId: `certificate${n}`,
    names: [`n${n}.test`],
    challengeType: 'dns-01',
    profile: undefined,
    keyType: undefined,
    directory: 'https://ca.test/dir',
    current: {
      leaf: leafOf(n),
      leafHash: sha256(Buffer.from(leafOf(n), 'base64')),
      issuers: [sha256(ISSUER)],
      sealedKey: Buffer.from(`key ${n}`).toString('base64'),
      serialNumber: '0A',
      notBefore: '2026-11-22T00:00:00Z',
      notAfter: '2027-02-20T00:00:00Z',
      names: [`n${n}.test`],
      directory: 'https://ca.test/dir',
    },
    predecessors: [],
    issuance: {
      issuanceId: 'issuance1',
      reason: 'renewal',
      names: [`n${n}.test`],
      challengeType: 'dns-01',
      profile: undefined,
      keyType: undefined,
      directory: 'https://ca.test/dir',
      fallbackFor: undefined,
      replaces: undefined,
      startedAt: '2026-11-22T00:00:00.000Z',
      holder: 'alice',
      until: '2026-11-22T00:05:00Z',
      csrs: [{ csr: Buffer.from(`csr ${n}`).toString('base64'), sealedKey: 'AAAA', recipientsPosition: 1 }],
      orderUrl: 'https://ca.test/order/1',
    },
    failure: undefined,
    renewalInfo: undefined,
    revoked: false,
    removed: false,
  },
});
/** As JSON keeps it, which has no `undefined`. */
const plain = <T>(value: T): T => JSON.parse(JSON.stringify(value));

beforeEach(async () => {
  runs += 1;
  root = join(folder.path, String(runs));
  place = openFolder(root);
  const log = createMemoryLog();
  ({ keys } = await beginBus(log));
  const { commits } = await log.read('test', 0);
  const envelopes = JSON.parse(
    Buffer.from(commits[0]?.bytes ?? [])
      .toString()
      .split('\n')[0] ?? '',
  ).events.slice(1);
  rootEvents = envelopes.map((envelope: PlacedRootEvent['root']) => ({ position: 1, root: envelope }));
  const manager = { name: 'alice', signingKey: keys.signer.publicKey, recipient: 'age1x' };
  checkpoint = { ...BEGINNING, position: 7, hash: 'A'.repeat(43), rootSequence: 2, managers: [manager] };
});
afterAll(() => folder.remove());

/** The state of a bus on which nothing was said but the root's events. */
function stateOf(events: readonly PlacedRootEvent[]): BusState {
  const named = events.find(({ root: { type } }) => type === 'RecipientsUpdated');
  const { recipients } = JSON.parse(named?.root.body ?? '{"recipients":[]}');
  return { ...EMPTY_BUS, recipients, recipientsPosition: named?.position ?? 0 };
}

function content(count: number, at = checkpoint): SnapshotContent {
  const records = Array.from({ length: count }, (_, n) => record(n));
  const issuer = { issuer: { hash: sha256(ISSUER), certificate: ISSUER.toString('base64') } };
  return { checkpoint: at, bus: stateOf(rootEvents), rootEvents, records: [issuer, ...records] };
}

async function write(count: number, at = checkpoint) {
  const taken = await writeSnapshot(place, keys.trust.busId, content(count, at));
  await publishSnapshot(place, keys.trust.busId, taken, { restored: at.restored, head: HEAD });
  return taken;
}

async function readAll(): Promise<SnapshotRecord[]> {
  const snapshot = await openSnapshot(place, keys.trust);
  const all: SnapshotRecord[] = [];
  for await (const records of snapshot?.records() ?? []) all.push(...records);
  return all;
}

function pathOf(ending: string): string {
  const found = readdirSync(root, { recursive: true, withFileTypes: true });
  const entry = found.find(({ name }) => name.endsWith(ending));
  return join(entry?.parentPath ?? '', entry?.name ?? '');
}

test('records come back as they were, the hash of each leaf computed again', () => {
  const records = [...content(3).records];
  expect(unpackRecords(packRecords(records))).toEqual(plain(records));
});

/** A frame by hand: its JSON, and the bytes of its leaves. */
function frameOf(json: string, leaves: Buffer): Uint8Array {
  const head = Buffer.alloc(20);
  head.writeUInt32LE(Buffer.byteLength(json), 0);
  head.writeUInt32LE(leaves.length, 4);
  return zstdCompressSync(Buffer.concat([head, Buffer.from(json), leaves]));
}

test.each([
  ['takes the same bytes again and again', [1_000, -1_000, 1_000]],
  ['takes more bytes than it has', [1_000, 1]],
  ['takes half a byte', [0.5]],
])('a frame that %s is refused: it could become any size', (_, lengths) => {
  const json = JSON.stringify(lengths.map((leaf) => ({ leaf })));
  expect(() => unpackRecords(frameOf(json, Buffer.alloc(1_000)))).toThrow(RangeError);
});

test('a frame with base64 in the place of a length is refused: its encoding would not be the only one', () => {
  const json = JSON.stringify([{ certificate: { current: { leaf: 'AB==' } } }]);
  expect(() => unpackRecords(frameOf(json, Buffer.alloc(0)))).toThrow(RangeError);
});

test('a frame with an issuer under the hash of another is refused', () => {
  const issuer = { hash: 'A'.repeat(43), certificate: ISSUER.toString('base64') };
  expect(() => unpackRecords(packRecords([{ issuer }]))).toThrow('hash of another');
});

test('a snapshot of several frames comes back whole, with its checkpoint proved by the root', async () => {
  const taken = await write(600);
  const snapshot = await openSnapshot(place, keys.trust);
  expect(snapshot).toMatchObject({ ...taken, position: 7, checkpoint: { position: 7, rootSequence: 2 } });
  expect(snapshot?.checkpoint.managers.map(({ signingKey }) => signingKey)).toEqual([keys.signer.publicKey]);
  expect(await readAll()).toEqual(plain([...content(600).records]));
});

test('where there is none, none is found', async () => {
  expect(await openSnapshot(place, keys.trust)).toBeUndefined();
});

test('a newer one is found instead of an older one, whichever was written last', async () => {
  await write(1, { ...checkpoint, position: 9 });
  await write(2, { ...checkpoint, position: 8 });
  expect((await openSnapshot(place, keys.trust))?.position).toBe(9);
  // After a restore the line is younger, though its positions are lower.
  await write(3, { ...checkpoint, position: 3, restored: 102 });
  expect((await openSnapshot(place, keys.trust))?.position).toBe(3);
});

test.each([
  { position: Number.MAX_SAFE_INTEGER, restored: 0 },
  { position: 1, restored: Number.MAX_SAFE_INTEGER },
  { position: 101, restored: 102 },
])('a pointer that no bus of this length can have had, %o, holds no snapshot up', async (forged) => {
  await write(1);
  writeFileSync(pathOf('latest'), JSON.stringify({ ...forged, place: 'snapshots/x' }));
  await write(1, { ...checkpoint, position: 9 });
  expect((await openSnapshot(place, keys.trust))?.position).toBe(9);
});

test.each([
  ['torn', (bytes: Buffer) => bytes.subarray(0, bytes.length - 3)],
  ['changed', (bytes: Buffer) => bytes.map((byte, at) => (at === 50 ? byte ^ 1 : byte))],
  ['empty', () => Buffer.alloc(0)],
])('a chunk that is %s is refused', async (_, change) => {
  await write(300);
  const path = pathOf('.zst');
  writeFileSync(path, change(readFileSync(path)));
  await expect(readAll()).rejects.toMatchObject({ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' });
});

test.each([
  ['.json', '{"format":1}'],
  ['.json', 'not JSON'],
  ['latest', 'not JSON'],
  ['latest', '{"position":7,"restored":0,"place":"../../etc/passwd"}'],
  ['latest', '{"position":7,"restored":0,"place":"snapshots/other/x.json"}'],
])('a %s that says %s is refused', async (ending, text) => {
  await write(1);
  writeFileSync(pathOf(ending), text);
  await expect(openSnapshot(place, keys.trust)).rejects.toMatchObject({ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' });
});

test('a pointer to what is no key of an archive is refused', async () => {
  await write(1);
  const pointer = { position: 7, restored: 0, place: `snapshots/${keys.trust.busId}/a b\u0000.json` };
  writeFileSync(pathOf('latest'), JSON.stringify(pointer));
  await expect(openSnapshot(place, keys.trust)).rejects.toMatchObject({ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' });
});

test.each(['latest', '.json', '.zst'])('a %s of any size takes no memory', async (ending) => {
  await write(1);
  truncateSync(pathOf(ending), 3_000_000_000);
  await expect(readAll()).rejects.toMatchObject({ code: 'CERTBUS_STORE_TOO_LARGE' });
});

test('root events that the root did not sign, or of which one is missing, are refused', async () => {
  const stranger = await createKeys();
  const body = { type: 'ManagersUpdated' as const, managers: [...checkpoint.managers] };
  const forged = { position: 2, root: signRootEvent(stranger.root, keys.trust.busId, 3, body) };
  for (const events of [[...rootEvents, forged], rootEvents.slice(1)]) {
    const taken = await writeSnapshot(place, keys.trust.busId, { ...content(1), rootEvents: events });
    await publishSnapshot(
      place,
      keys.trust.busId,
      { ...taken, position: 7 + events.length },
      { restored: 0, head: HEAD },
    );
    await expect(openSnapshot(place, keys.trust)).rejects.toMatchObject({ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' });
  }
});

const accountAt = () => {
  const directory = 'https://ca.test/dir';
  return { directory, accountUrl: `${directory}/1`, thumbprint: sha256(ISSUER), sealedKey: 'AAAA' };
};

/** What is wrong with a state that is not one of a bus. */
const malformed: [string, (bus: BusState) => unknown][] = [
  ['nothing', () => undefined],
  ['a list', () => []],
  ['no recipients', ({ recipients: _, ...rest }) => rest],
  ['a configuration that is not sealed', (bus) => ({ ...bus, config: { sealed: '{"version":1}', position: 1 } })],
  ['a configuration of a later commit', (bus) => ({ ...bus, config: { sealed: 'AAAA', position: 8 } })],
  ['an account without a key', (bus) => ({ ...bus, accounts: [{ directory: 'x', accountUrl: 'x', thumbprint: 'x' }] })],
  [
    'a next account key in another encoding',
    (bus) => ({
      ...bus,
      nextAccountKeys: [{ directory: 'x', thumbprint: 'B'.repeat(43), sealedKey: 'AAAA', keyPosition: 1 }],
    }),
  ],
  ['a replaced account without a position', (bus) => ({ ...bus, replacedAccounts: [accountAt()] })],
  ['an account whose key is of a later commit', (bus) => ({ ...bus, accounts: [{ ...accountAt(), keyPosition: 8 }] })],
  [
    'two accounts that are answered for without announcement',
    (bus) => ({ ...bus, accounts: [1, 2].map((keyPosition) => ({ ...accountAt(), keyPosition, stateless: true })) }),
  ],
  ['a closed account that is text', (bus) => ({ ...bus, closedAccounts: ['x'] })],
  ['a challenge without an end', (bus) => ({ ...bus, challenges: [{ identifier: 'a.test', token: 't' }] })],
  ['an archive of a later commit', (bus) => ({ ...bus, archived: { position: 10_000, hash: 'A'.repeat(43) } })],
  ['a snapshot of no position', (bus) => ({ ...bus, snapshots: [{ hash: 'A'.repeat(43) }] })],
  ['unknown things that are numbers', (bus) => ({ ...bus, unknown: [1] })],
  ['a newest commit at no instant', (bus) => ({ ...bus, newestAt: 'yesterday' })],
];

test.each(malformed)('a snapshot whose state of the bus is or has %s is refused', async (_, change) => {
  const good = content(1);
  const taken = await writeSnapshot(place, keys.trust.busId, { ...good, bus: change(good.bus) as BusState });
  await publishSnapshot(place, keys.trust.busId, taken, { restored: 0, head: HEAD });
  await expect(openSnapshot(place, keys.trust)).rejects.toMatchObject({ code: 'CERTBUS_STORE_SNAPSHOT_REFUSED' });
});
