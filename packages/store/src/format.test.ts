import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { zstdDecompressSync } from 'node:zlib';
import { type IssuedCertificate, type ManagedCertificate, sha256 } from '@certbus/events';
import { type Account, BEGINNING, type BusState, type PlacedRootEvent, verifyCommits } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { toItem } from './adapters/dynamodb/items.ts';
import { createMemoryLog } from './adapters/memory.ts';
import { openExportFile } from './adapters/places/export-file.ts';
import { openFolder } from './adapters/places/folder.ts';
import { openSqliteLog } from './adapters/sqlite/sqlite.ts';
import { archiveRange, RANGE_COMMITS } from './archive/archive.ts';
import type { SnapshotRecord } from './archive/slim-records.ts';
import { publishSnapshot, writeSnapshot } from './archive/snapshot.ts';
import { beginBus, writeCommits } from './bus.builders.ts';
import type { StoredCommit } from './log.ts';
import { exportBus } from './recovery/backup.ts';

const PAGE = readFileSync(join(import.meta.dirname, '../../../docs/format.md'), 'utf8');
const folder = temporaryFolder();
afterAll(() => folder.remove());

function newFolder(name: string): string {
  const path = join(folder.path, name);
  mkdirSync(path);
  return path;
}

/** The text under a heading of the page. */
function section(heading: string): string {
  const found = PAGE.split(/^(?=#+ )/m).find((each) => each.replace(/^#+ /, '').startsWith(`${heading}\n`));
  if (!found) throw new Error(`docs/format.md has no section "${heading}"`);
  return found;
}

/** What the tables in a text have in their first column. */
const namedIn = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name),
    ),
  );

/** Everything in code in a text. */
const codeIn = (text: string): Set<string> => new Set([...text.matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code));

/** Paths of the fields in JSON, such as `blocks[].first`. */
function pathsIn(value: unknown, prefix = ''): Set<string> {
  const inner = (at: unknown, path: string) => [...pathsIn(at, path)];
  if (Array.isArray(value)) return new Set(value.flatMap((item) => inner(item, `${prefix}[]`)));
  if (typeof value !== 'object' || value === null) return new Set();
  return new Set(
    Object.entries(value).flatMap(([key, at]) => {
      const path = prefix === '' ? key : `${prefix}.${key}`;
      return [path, ...inner(at, path)];
    }),
  );
}

/** The field at the end of such a path. */
const lastOf = (path: string): string => path.replace(/^.*[.\]]/, '');

const missingIn = (known: ReadonlySet<string>, names: Iterable<string>) =>
  [...names].filter((name) => !known.has(name));

/** Whole commits one after the other, as the page describes a block. */
function commitsIn(text: Buffer, first: number): StoredCommit[] {
  const lines = text.toString('latin1').split('\n');
  return Array.from({ length: (lines.length - 1) / 2 }, (_, n) => ({
    position: first + n,
    bytes: Buffer.from(`${lines[2 * n]}\n${lines[2 * n + 1]}\n`, 'latin1'),
  }));
}

const plain = (commits: readonly StoredCommit[]) =>
  commits.map(({ position, bytes }) => ({ position, bytes: Buffer.from(bytes).toString('latin1') }));

async function* once<T>(value: T): AsyncIterable<T> {
  yield value;
}

test('a SQLite bus is laid out as docs/format.md says', async () => {
  const path = join(newFolder('sqlite'), 'bus.db');
  const log = await openSqliteLog(path, { create: true });
  await log.append('prod', 0, Buffer.from('one'));
  await log.close();
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const page = section('SQLite');
    const rows = database.prepare('SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL').all();
    for (const { name, sql } of rows) {
      expect(page).toContain(`${String(sql)};`);
      const columns = database.prepare(`PRAGMA table_info(${String(name)})`).all();
      const known = namedIn(page);
      expect(
        missingIn(
          known,
          columns.map((column) => `${String(name)}.${String(column['name'])}`),
        ),
      ).toEqual([]);
    }
    const { application_id: id } = database.prepare('PRAGMA application_id').get() ?? {};
    expect(page).toContain(`0x${Number(id).toString(16)}`);
    expect(database.prepare('PRAGMA user_version').get()).toMatchObject({ user_version: 1 });
    expect(database.prepare('SELECT stream, position, CAST(bytes AS TEXT) AS bytes FROM commits').all()).toEqual([
      expect.objectContaining({ stream: 'prod', position: 1, bytes: 'one' }),
    ]);
  } finally {
    database.close();
  }
});

test('a DynamoDB table is laid out as docs/format.md says', () => {
  const item = toItem('prod', 7, Buffer.from('seven'));
  expect(item).toEqual({ s: { S: 'prod' }, v: { N: '7' }, d: { B: Buffer.from('seven') } });
  expect(namedIn(section('DynamoDB'))).toEqual(new Set(['s', 'v', 'd', 'f', 'g']));
});

test('an archive is laid out as docs/format.md says', async () => {
  const root = newFolder('archive');
  const { keys } = await beginBus(createMemoryLog());
  const { busId } = keys.trust;
  const line = `${'x'.repeat(900)}\n${'y'.repeat(104)}\n`;
  const commits = Array.from({ length: RANGE_COMMITS }, (_, n) => ({ position: n + 1, bytes: Buffer.from(line) }));
  const range = await archiveRange(openFolder(root), busId, once(commits));
  const page = section('Archives');
  expect(range.place).toBe(`archives/${busId}/000000000001/manifest.json`);
  expect(codeIn(page)).toContain(range.place.replace(busId, 'BUSID').replace('000000000001', 'NNNNNNNNNNNN'));
  const bytes = readFileSync(join(root, range.place));
  expect(sha256(bytes)).toBe(range.manifest);
  const manifest = JSON.parse(bytes.toString()) as { blocks: { first: number; sha256: string }[] };
  expect(pathsIn(manifest)).toEqual(namedInFields(page));
  expect(manifest.blocks.length).toBeGreaterThan(1);
  const found = manifest.blocks.flatMap(({ first, sha256: sum }) => {
    const key = `archives/${busId}/000000000001/${String(first).padStart(12, '0')}.zst`;
    const block = readFileSync(join(root, key));
    expect(sha256(block)).toBe(sum);
    return commitsIn(zstdDecompressSync(block), first);
  });
  expect(plain(found)).toEqual(plain(commits));
});

/** The names in the tables of fields, without those of keys and other things. */
function namedInFields(page: string): Set<string> {
  const tables = page.split('\n\n').filter((block) => block.startsWith('| field'));
  return namedIn(tables.join('\n'));
}

const bytes = (text: string) => Buffer.from(text).toString('base64');
const hash = sha256(Buffer.from('x'));
const instant = '2026-11-24T03:00:00.000Z';
const directory = 'https://ca.test/dir';

/** With all that there can be in one, though no certificate has all of the dates and marks. */
const issued = (leaf: string): Required<IssuedCertificate> => ({
  leaf: bytes(leaf),
  leafHash: sha256(Buffer.from(leaf)),
  issuers: [hash],
  sealedKey: bytes(`key of ${leaf}`),
  formerSealedKey: bytes(`key of ${leaf} before`),
  serialNumber: '0A',
  notBefore: instant,
  notAfter: instant,
  names: ['shop.test'],
  directory,
  obtainedAt: instant,
  importedAt: instant,
  origin: { position: 1, by: '0123456789abcdef', keyBy: 'fedcba9876543210', recipientsPosition: 1, isResealed: true },
  distrusted: true,
});

/** With all that there can be in one. */
const CERTIFICATE: ManagedCertificate = {
  certificateId: 'certificate1',
  names: ['shop.test'],
  challengeType: 'dns-01',
  profile: 'classic',
  keyType: 'P-256',
  directory,
  current: issued('leaf'),
  predecessors: [issued('one before'), issued('two before')],
  issuance: {
    issuanceId: 'issuance1',
    reason: 'renewal',
    names: ['shop.test'],
    challengeType: 'dns-01',
    profile: 'classic',
    keyType: 'P-256',
    directory,
    fallbackFor: directory,
    replaces: 'a.b',
    campaignId: 'campaign1',
    startedAt: instant,
    holder: 'alice',
    until: instant,
    csrs: [
      { csr: bytes('csr'), sealedKey: bytes('its key'), recipientsPosition: 1, by: '0123456789abcdef' },
      { csr: bytes('another'), sealedKey: bytes('its own'), recipientsPosition: 1 },
    ],
    orderUrl: 'https://ca.test/order/1',
  },
  failure: {
    problem: 'p',
    class: 'authority',
    detail: 'd',
    attempt: 1,
    directory,
    notBefore: instant,
    since: instant,
    failedAt: instant,
    own: { problem: 'p', class: 'temporary', detail: 'd' },
  },
  renewalInfo: { windowStart: instant, windowEnd: instant, renewAt: instant, explanationUrl: 'https://ca.test/why' },
  retired: [issued('retired')],
  revoked: false,
  removed: false,
  removedAt: instant,
};

/** The records of a frame, read as the page describes it. */
function recordsIn(frame: Buffer): unknown {
  const content = zstdDecompressSync(frame);
  const [json = 0, ...lengths] = [0, 4, 8, 12, 16].map((at) => content.readUInt32LE(at));
  const starts = lengths.map((_, n) => 20 + json + lengths.slice(0, n).reduce((sum, each) => sum + each, 0));
  const sections = new Map(['leaf', 'sealedKey', 'csr', 'certificate'].map((name, n) => [name, starts[n] ?? 0]));
  // The reviver goes through the fields of an object in the order of the text, and through what is in one before the next.
  return JSON.parse(content.toString('utf8', 20, 20 + json), (key, value: unknown) => {
    const start = sections.get(key);
    if (start === undefined || typeof value !== 'number') return value;
    sections.set(key, start + value);
    return content.toString('base64', start, start + value);
  });
}

/** A value as JSON has it, without what a frame leaves out. */
const withoutLeafHash = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, inner: unknown) => (key === 'leafHash' ? undefined : inner)));

test('a snapshot is laid out as docs/format.md says', async () => {
  const root = newFolder('snapshot');
  const log = createMemoryLog();
  const { keys } = await beginBus(log);
  const { busId } = keys.trust;
  const { commits: stored } = await log.read('test', 0);
  const { commits, checkpoint } = verifyCommits(keys.trust, BEGINNING, stored);
  const rootEvents = commits.flatMap(({ position, events }) =>
    events.flatMap(({ root: envelope }): PlacedRootEvent[] => (envelope ? [{ position, root: envelope }] : [])),
  );
  const account = { directory, accountUrl: directory, thumbprint: hash };
  const placedAccount = (key: string): Required<Account> => ({
    ...account,
    sealedKey: bytes(key),
    stateless: true,
    keyPosition: 1,
    sealedPosition: 1,
  });
  const placed = { position: 1, hash, manifest: hash, place: 'x' };
  const bus: Required<BusState> = {
    recipients: checkpoint.recipients,
    recipientsPosition: checkpoint.recipientsPosition,
    config: { sealed: bytes('config'), position: 1 },
    accounts: [placedAccount('account')],
    nextAccountKeys: [{ directory, thumbprint: hash, sealedKey: bytes('next'), keyPosition: 1 }],
    replacedAccounts: [placedAccount('former')],
    closedAccounts: [account],
    challenges: [
      {
        issuanceId: 'issuance1',
        challengeType: 'http-01',
        identifier: 'shop.test',
        token: 'x',
        thumbprint: hash,
        expiresAt: instant,
      },
    ],
    archived: { position: 1, hash },
    snapshots: [placed],
    campaigns: [
      {
        campaignId: 'campaign1',
        domain: 'shop.test',
        pattern: '*.test',
        directory,
        profile: 'classic',
        keyType: 'P-256',
        issuer: hash,
        issuedBefore: instant,
        sealedTo: `age1${'q'.repeat(58)}`,
        obtainedBy: hash,
        obtainedSince: 1,
        certificates: 7,
        ordersPerHour: 60,
        position: 1,
        startedAt: instant,
        begun: 1,
        fullAt: instant,
        ended: { outcome: 'completed', at: instant },
      },
    ],
    alerts: [
      { alert: 'failing', subject: 'certificate1', detail: 'x', since: instant, until: instant, pending: ['hook'] },
    ],
    voided: [{ type: 'IssuerAdded', position: 1, rule: 'a rule' }],
    unknown: ['MoonPhaseChanged'],
    newestAt: instant,
  };
  const records: SnapshotRecord[] = [
    { issuer: { hash: sha256(Buffer.from('issuer')), certificate: bytes('issuer') } },
    { position: 1, certificate: CERTIFICATE },
    { position: 1, certificate: { ...CERTIFICATE, certificateId: 'certificate2', current: issued('another') } },
  ];
  const place = openFolder(root);
  const taken = await writeSnapshot(place, busId, { checkpoint, bus, rootEvents, records });
  await publishSnapshot(place, busId, taken, { restored: 0, head: checkpoint });

  const page = section('Snapshots');
  const pointer = JSON.parse(readFileSync(join(root, `snapshots/${busId}/latest`), 'utf8')) as { place: string };
  expect(missingIn(codeIn(page), pathsIn(pointer))).toEqual([]);
  const file = readFileSync(join(root, pointer.place));
  expect(pointer.place).toBe(`snapshots/${busId}/000000000001/${sha256(file)}.json`);
  const manifest = JSON.parse(file.toString()) as { chunks: { sha256: string }[]; bus: object };
  const { bus: writtenBus, ...others } = manifest;
  const known = namedIn(page);
  const own = [...pathsIn(others)].filter((path) => !path.startsWith('rootEvents[].root.'));
  expect(missingIn(known, [...own, ...Object.keys(writtenBus)])).toEqual([]);
  expect(
    missingIn(
      codeIn(PAGE),
      [...pathsIn(writtenBus)].map(lastOf).filter((name) => name !== ''),
    ),
  ).toEqual([]);

  const chunks = manifest.chunks.map(({ sha256: sum }) => {
    const chunk = readFileSync(join(root, `snapshots/${busId}/000000000001/${sum}.zst`));
    expect(sha256(chunk)).toBe(sum);
    return chunk;
  });
  const frames = chunks.flatMap((chunk) => {
    const found: Buffer[] = [];
    for (let at = 0; at < chunk.length; at += 4 + chunk.readUInt32LE(at))
      found.push(chunk.subarray(at + 4, at + 4 + chunk.readUInt32LE(at)));
    return found;
  });
  const found = frames.flatMap(recordsIn);
  expect(found).toEqual(withoutLeafHash(records));
  const names = [...pathsIn(found)].map(lastOf).filter((name) => name !== '');
  const described = new Set([...codeIn(page), 'issuer', 'certificate', 'position', 'hash']);
  expect(missingIn(described, names)).toEqual([]);
  expect(readdirSync(join(root, `snapshots/${busId}`)).sort()).toEqual(['000000000001', 'latest']);
});

test('an export is laid out as docs/format.md says', async () => {
  const path = join(newFolder('export'), 'bus.certbus');
  const log = createMemoryLog();
  const { bus, keys } = await beginBus(log);
  const file = await openExportFile(path, { create: true });
  await exportBus(bus, file);
  await writeCommits(log, { keys, count: 20 });
  await file.close();
  const again = await openExportFile(path, { create: true });
  await exportBus(bus, again);
  await again.close();

  const whole = readFileSync(path);
  const page = section('Exports');
  const found: StoredCommit[] = [];
  let blocks = 0;
  for (let at = 0; at < whole.length; blocks += 1) {
    expect(whole.readUInt32LE(at)).toBe(0x184d2a50);
    const length = whole.readUInt32LE(at + 4);
    const label = JSON.parse(whole.toString('utf8', at + 8, at + 8 + length)) as {
      first: number;
      last: number;
      bytes: number;
    };
    expect(missingIn(codeIn(page), pathsIn(label))).toEqual([]);
    const block = commitsIn(
      zstdDecompressSync(whole.subarray(at + 8 + length, at + 8 + length + label.bytes)),
      label.first,
    );
    expect(block.at(-1)?.position).toBe(label.last);
    found.push(...block);
    at += 8 + length + label.bytes;
  }
  expect(blocks).toBe(2);
  const { commits } = await log.read('test', 0);
  expect(plain(found)).toEqual(plain(commits));
});
