import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { zstdDecompress } from 'node:zlib';
import { sha256 } from '@certbus/events';
import type { Checkpoint } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { openFolder } from '../adapters/places/folder.ts';
import { beginBus, type Keys, readPositions, readStream, writeCommits } from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import { StoreError } from '../errors.ts';
import { type Log, type LogMaintenance, MAX_COMMIT_BYTES, MAX_PAGE_BYTES, type StoredCommit } from '../log.ts';
import { type ArchivedRange, archiveRange, createArchiveReader, RANGE_COMMITS } from './archive.ts';
import { packCommits, unpackCommits } from './commit-blocks.ts';
import type { ArchivePlace } from './place.ts';

const folder = temporaryFolder();
const HEAD = RANGE_COMMITS + 50;
let whole: StoredCommit[];
let keys: Keys;
let checkpoints: Checkpoint[];
let log: Log & { maintenance: LogMaintenance };
let root: string;
let range: ArchivedRange;
let runs = 0;

/** A log that holds these commits. */
async function logOf(commits: readonly StoredCommit[]): Promise<typeof log> {
  const made = createMemoryLog();
  for (const { position, bytes } of commits) await made.append('test', position - 1, bytes);
  if (!made.maintenance) throw new TypeError('a memory log can be trimmed');
  return { ...made, maintenance: made.maintenance };
}

beforeAll(async () => {
  const first = createMemoryLog();
  ({ keys } = await beginBus(first));
  checkpoints = await writeCommits(first, { keys, count: HEAD - 1 });
  whole = await readStream(first);
});
beforeEach(async () => {
  runs += 1;
  root = join(folder.path, String(runs));
  log = await logOf(whole);
  range = await archiveRange(openFolder(root), keys.trust.busId, pages(0, RANGE_COMMITS));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
afterAll(() => folder.remove());

async function* pages(after: number, last: number): AsyncIterable<readonly StoredCommit[]> {
  for (let start = after; start < last; start += 700) yield whole.slice(start, Math.min(start + 700, last));
}

const open = () => openBus(log, 'test', { ...keys, archive: openFolder(root) });
const all = Array.from({ length: HEAD }, (_, n) => n + 1);

function files(): string[] {
  const found = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return found.map(({ parentPath, name }) => join(parentPath, name));
}

test('a range says its positions, its last hash, and the hash of its manifest', () => {
  const manifest = readFileSync(join(root, range.place));
  expect(range).toMatchObject({ first: 1, last: RANGE_COMMITS, hash: checkpoints[RANGE_COMMITS - 1]?.hash });
  expect(range.manifest).toBe(sha256(manifest));
});

test('an archived block is the text of the log, for any zstd', async () => {
  const [block = ''] = files().filter((path) => path.endsWith('.zst'));
  const text = (await promisify(zstdDecompress)(readFileSync(block))).toString();
  expect(text.startsWith(Buffer.from(whole[0]?.bytes ?? []).toString())).toBe(true);
});

test('a trimmed bus reads as a whole with its archive', async () => {
  await log.maintenance.trim('test', RANGE_COMMITS - 10);
  expect(await readPositions(open())).toEqual(all);
});

test('a trimmed bus without its archive says where it begins, and that this is no gap', async () => {
  await log.maintenance.trim('test', 5_000);
  await expect(readPositions(openBus(log, 'test', keys))).rejects.toMatchObject({
    code: 'CERTBUS_STORE_TRIMMED',
    first: 5_000,
    message: expect.stringContaining('CERTBUS_ARCHIVE'),
  });
});

test('a reader far behind leaves the log alone, and comes back to it for what is newer', async () => {
  const asked: number[] = [];
  const watched: Log = {
    ...log,
    async read(stream, after, options) {
      asked.push(after);
      return log.read(stream, after, options);
    },
  };
  const bus = openBus(watched, 'test', { ...keys, archive: openFolder(root) });
  expect(await readPositions(bus)).toEqual(all);
  expect(asked).toEqual([0, RANGE_COMMITS]);
});

test.each([
  ['torn', (bytes: Buffer) => bytes.subarray(0, bytes.length - 7)],
  ['tampered with', (bytes: Buffer) => bytes.map((byte, at) => (at === 100 ? byte ^ 1 : byte))],
])('a block that is %s is refused, and the log is read instead', async (_, change) => {
  const [block = ''] = files().filter((path) => path.endsWith('.zst'));
  writeFileSync(block, change(readFileSync(block)));
  expect(await readPositions(open())).toEqual(all);
  await log.maintenance.trim('test', RANGE_COMMITS);
  await expect(readPositions(open())).rejects.toMatchObject({ code: 'CERTBUS_STORE_ARCHIVE_REFUSED' });
});

test('an archive whose every hash was made to fit a forgery is refused by the history itself', async () => {
  const forged = whole.map(({ position, bytes }) => {
    const text = Buffer.from(bytes).toString();
    return { position, bytes: Buffer.from(position === 7_000 ? text.replace('certificate-', 'certificatf-') : text) };
  });
  const place = openFolder(root);
  await archiveRange(
    place,
    keys.trust.busId,
    (async function* () {
      yield forged.slice(0, RANGE_COMMITS);
    })(),
  );
  expect(await readPositions(open())).toEqual(all);
  await log.maintenance.trim('test', RANGE_COMMITS);
  await expect(readPositions(open())).rejects.toMatchObject({ position: 7_000 });
});

test.each([
  ['is out of reach', async () => {}, true],
  [
    'has a damaged block',
    async () => {
      const [block = ''] = files().filter((path) => path.endsWith('.zst'));
      writeFileSync(block, 'damaged');
    },
    false,
  ],
])('an archive that %s holds a reader far behind up once a range, not once a page', async (_, harm, isAway) => {
  await harm();
  const place = openFolder(root);
  let asked = 0;
  const watched: ArchivePlace = {
    ...place,
    async get(...call) {
      asked += 1;
      if (isAway) throw new StoreError('CERTBUS_STORE_UNREACHABLE', 'away');
      return place.get(...call);
    },
  };
  expect(await readPositions(openBus(log, 'test', { ...keys, archive: watched }))).toEqual(all);
  expect(asked).toBeLessThanOrEqual(3);
});

test('a block of a great many empty lines is refused before it takes memory', async () => {
  const packed = await packCommits([{ position: 1, bytes: Buffer.alloc(2_000_000, '\n') }]);
  await expect(unpackCommits(packed, 1)).rejects.toThrow(RangeError);
});

test('a commit that no log takes is refused in a block, and a page of the archive is a megabyte', async () => {
  const line = (size: number) => Buffer.from(`${'x'.repeat(size - 106)}\n${'y'.repeat(104)}\n`);
  const packed = await packCommits([{ position: 1, bytes: line(MAX_COMMIT_BYTES + 1) }]);
  await expect(unpackCommits(packed, 1)).rejects.toThrow(RangeError);
  expect(await unpackCommits(await packCommits([{ position: 1, bytes: line(MAX_COMMIT_BYTES) }]), 1)).toHaveLength(1);
  const page = (await createArchiveReader(openFolder(root), keys.trust.busId).read(0, RANGE_COMMITS)) ?? [];
  const size = page.reduce((sum, { bytes }) => sum + bytes.length, 0);
  expect(size).toBeGreaterThan(MAX_PAGE_BYTES - 2_000);
  expect(size).toBeLessThanOrEqual(MAX_PAGE_BYTES);
});

test('a manifest of another bus is refused', async () => {
  const reader = createArchiveReader(openFolder(root), 'x'.repeat(43));
  expect(await reader.read(0, 10)).toBeUndefined();
  renameSync(join(root, 'archives', keys.trust.busId), join(root, 'archives', 'x'.repeat(43)));
  await expect(reader.read(0, 10)).rejects.toMatchObject({ code: 'CERTBUS_STORE_ARCHIVE_REFUSED' });
});

test('an incomplete range is not archived', async () => {
  const place = openFolder(root);
  await expect(archiveRange(place, keys.trust.busId, pages(0, 9_999))).rejects.toThrow(TypeError);
});

test('a follower whose position was trimmed is confirmed, and goes on from the archive', async () => {
  await log.maintenance.trim('test', RANGE_COMMITS);
  const from = checkpoints[99] as Checkpoint;
  await open().confirm(from);
  const page = await open().read(from);
  expect(page.commits[0]?.position).toBe(101);
  const confirmed = await open().read(from, { confirm: true });
  expect(confirmed.commits[0]?.position).toBe(101);
  // Of the commit before the first that is kept, nothing is left to compare.
  const last = await open().read(checkpoints[RANGE_COMMITS - 2] as Checkpoint, { confirm: true });
  expect(last.commits[0]?.position).toBe(RANGE_COMMITS);
});
