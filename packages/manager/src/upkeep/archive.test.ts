/** Tests of archives, trimming and snapshots, on a bus of more than one range. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createBusId,
  createManagerKey,
  createRootKey,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
  sha256,
  type Trust,
} from '@certbus/events';
import { BEGINNING, type Checkpoint, encodeCommit, signRootEvent, type WrittenEvent } from '@certbus/events/history';
import { openReplica, prepare, type Replica } from '@certbus/replica';
import { type ArchivePlace, type Bus, type Log, openBus } from '@certbus/store';
import { openFolder } from '@certbus/store/folder';
import { createMemoryLog } from '@certbus/store/memory';
import { openArchivePlace } from '@certbus/store/open';
import { requirePart, startS3Server, temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Manager, type ManagerOptions, openManager } from '../manager.ts';

const HEAD = 10_120;
const folder = temporaryFolder();
const replicas: Replica[] = [];
let runs = 0;
let text: string;
let trust: Trust;
let commits: Uint8Array[];
let log: Log;
let root: string;
let manager: Manager;

/** One bus for all tests of this file: its first commit, and ten thousand that say little. */
async function writeHistory(): Promise<void> {
  const rootKey = parseRootKey(createRootKey());
  text = await createManagerKey();
  const { signer } = parseManagerKey(text);
  const { recipient } = await parseIdentityFile(text);
  trust = { busId: createBusId(), rootKey: rootKey.publicKey };
  const first: WrittenEvent[] = [
    { type: 'BusCreated', busId: trust.busId, rootKey: trust.rootKey },
    signRootEvent(rootKey, trust.busId, 1, {
      type: 'ManagersUpdated',
      managers: [{ name: 'alice', signingKey: signer.publicKey, recipient }],
    }),
    signRootEvent(rootKey, trust.busId, 2, { type: 'RecipientsUpdated', recipients: [{ name: 'edge', recipient }] }),
  ];
  commits = [];
  for (let position = 1, previous: string | null = null; position <= HEAD; position += 1) {
    const [events, by, as] =
      position === 1
        ? ([first, 'root', rootKey] as const)
        : ([[{ type: 'Heartbeat' as const }], 'alice', signer] as const);
    const bytes = encodeCommit({ format: 1, bus: trust.busId, position, previous, at: new Date(), by, events }, as);
    previous = sha256(bytes);
    commits.push(bytes);
  }
}

async function open(options: Partial<ManagerOptions> = {}): Promise<{ manager: Manager; bus: Bus; replica: Replica }> {
  const key = parseManagerKey(text);
  const archive = openFolder(root);
  const bus = openBus(log, 'test', { trust, signer: key.signer, archive });
  const replica = await openReplica({ path: ':memory:', busId: trust.busId });
  replicas.push(replica);
  const solvers = async () => {
    throw new TypeError('nothing is issued here');
  };
  const given = { bus, key, replica, archive, holder: 'test', solvers, secrets: () => undefined, ...options };
  return { manager: await openManager(given), bus, replica };
}

beforeAll(writeHistory);
beforeEach(async () => {
  runs += 1;
  root = join(folder.path, String(runs));
  log = createMemoryLog();
  for (const [after, bytes] of commits.entries()) await log.append('test', after, bytes);
  ({ manager } = await open());
});
afterEach(async () => {
  for (const replica of replicas.splice(0)) await replica.close();
});
afterAll(() => folder.remove());

async function eventsBehind(position: number): Promise<string[]> {
  const { commits: behind } = await log.read('test', position, { limit: 100 });
  return behind.flatMap(({ bytes }) =>
    JSON.parse(Buffer.from(bytes).toString().split('\n')[0] ?? '').events.map(({ type }: { type: string }) => type),
  );
}

describe('a bus of more than one range', () => {
  test('is archived once, by however many managers, and says so', async () => {
    expect(await manager.archive()).toEqual({ commits: 10_000 });
    expect(await manager.archive()).toEqual({ commits: 0 });
    expect(await (await open()).manager.archive()).toEqual({ commits: 0 });
    expect(await eventsBehind(HEAD)).toEqual(['RangeArchived']);
    expect(manager.state.bus.archived?.position).toBe(10_000);
  });

  test('is trimmed only of what was archived, but for the newest', async () => {
    expect(await manager.trim({ log })).toEqual({ first: 1 });
    await manager.archive();
    // 121 commits lie behind the range: of the newest 500, 379 are in it.
    expect(await manager.trim({ log, keep: 500 })).toEqual({ first: 9_622 });
    await expect(log.read('test', 0)).rejects.toMatchObject({ code: 'CERTBUS_STORE_TRIMMED', first: 9_622 });
    expect(await manager.trim({ log, keep: 500 })).toEqual({ first: 9_622 });
    expect(await manager.trim({ log, keep: 10 })).toEqual({ first: 10_001 });
    const next = await open();
    expect(next.manager.checkpoint.position).toBe(HEAD + 1);
  });

  test.each([
    ['torn', (bytes: Buffer) => bytes.subarray(0, bytes.length - 9)],
    ['gone', undefined],
  ])('is not trimmed where its archive is %s', async (_, change) => {
    await manager.archive();
    const entry = readdirSync(root, { recursive: true, withFileTypes: true }).find(({ name }) => name.endsWith('.zst'));
    const path = join(entry?.parentPath ?? '', entry?.name ?? '');
    writeFileSync(path, change ? change(readFileSync(path)) : '');
    await expect(manager.trim({ log, keep: 1 })).rejects.toMatchObject({ code: 'CERTBUS_STORE_ARCHIVE_REFUSED' });
    expect((await log.read('test', 0, { limit: 1 })).commits).toHaveLength(1);
  });

  test('is archived without a word of alerts before it has a configuration, which says where these go', async () => {
    const warned: string[] = [];
    const logger = { debug() {}, info() {}, error() {}, warn: (message: string) => void warned.push(message) };
    const { manager: fine } = await open({ logger });
    await fine.archive();
    await fine.snapshot();
    const put = () => Promise.reject(new Error('the disk is full'));
    const { manager: failing } = await open({ logger, archive: { ...openFolder(root), put } });
    await expect(failing.snapshot()).rejects.toThrow('the disk is full');
    expect(warned).toEqual([]);
  });

  test('needs to know where its archive is', async () => {
    const { manager: without } = await open({ archive: undefined });
    for (const work of [without.archive(), without.snapshot(), without.trim({ log })])
      await expect(work).rejects.toMatchObject({ code: 'CERTBUS_MANAGER_ARCHIVE_MISSING' });
  });
});

const s3 = requirePart('s3');

test.skipIf(s3.skip)(s3.title('a snapshot and an archive in S3 start a newcomer of a trimmed bus'), async () => {
  const server = await startS3Server();
  const { bucket, region, endpoint, credentials } = server;
  const address = `s3://${bucket}/fleet?region=${region}&endpoint=${encodeURIComponent(endpoint)}`;
  const archive: ArchivePlace = await openArchivePlace(address, { credentials });
  try {
    const key = parseManagerKey(text);
    const bus = openBus(log, 'test', { trust, signer: key.signer, archive });
    const { manager: own } = await open({ bus, archive });
    await own.archive();
    const { position } = await own.snapshot();
    await own.trim({ log, keep: 1 });
    const bySnapshot = await openReplica({ path: ':memory:', busId: trust.busId });
    replicas.push(bySnapshot);
    expect(await prepare(bySnapshot, bus, { archive })).toBe(true);
    expect(bySnapshot.checkpoint().position).toBe(position + 1);
    // And from the archives alone, every commit.
    let checkpoint: Checkpoint = BEGINNING;
    for (let end = false; !end; ) ({ checkpoint, end } = await bus.read(checkpoint, { consistent: true }));
    expect(checkpoint).toEqual(bySnapshot.checkpoint());
  } finally {
    await archive.close();
    await server.stop();
  }
});
