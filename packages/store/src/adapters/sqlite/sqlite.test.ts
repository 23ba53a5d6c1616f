import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, describe, expect, test } from 'vitest';
import { conformance } from '../../conformance/index.ts';
import { openLog } from '../../open.ts';
import { hasWalResetFix } from './errors.ts';
import {
  type Acknowledged,
  beginSignedBus,
  lost,
  pragma,
  readTexts,
  startSigningWriter,
  startWriter,
  until,
  verifyFile,
} from './processes.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const folder = temporaryFolder();
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder.path, `bus${files}.db`);
};

afterAll(() => folder.remove());

describe('the SQLite adapter', () => {
  conformance({
    describe,
    test,
    async create() {
      const path = newPath();
      const log = await openSqliteLog(path, { create: true });
      return { log, reopen: () => openSqliteLog(path), dispose: () => log.close() };
    },
  });
});

test('a bus that is away is not created', async () => {
  const path = newPath();
  await expect(openLog(`sqlite:${path}`)).rejects.toMatchObject({
    code: 'CERTBUS_STORE_NOT_FOUND',
    message: expect.stringContaining('certbus init'),
  });
  expect(existsSync(path)).toBe(false);
});

test('a bus that is moved away while it is open is told as away, and is back when it returns', async () => {
  const path = newPath();
  const log = await openSqliteLog(path, { create: true });
  await log.append('s', 0, Buffer.from('one'));
  renameSync(path, `${path}.moved`);
  await expect(log.read('s', 0)).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
  await expect(log.append('s', 1, Buffer.from('two'))).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNREACHABLE' });
  renameSync(`${path}.moved`, path);
  expect((await log.read('s', 0)).commits).toHaveLength(1);
  await log.close();
});

test("a file that is no database, or somebody else's, is refused and left as it was", async () => {
  const text = newPath();
  writeFileSync(text, 'this is no database, but it is long enough to be looked at as one by anybody');
  await expect(openSqliteLog(text)).rejects.toMatchObject({ code: 'CERTBUS_STORE_DAMAGED' });
  const foreign = newPath();
  const database = new DatabaseSync(foreign);
  database.exec('CREATE TABLE bookmarks (url TEXT)');
  database.close();
  await expect(openSqliteLog(foreign)).rejects.toMatchObject({ code: 'CERTBUS_STORE_DAMAGED' });
  await expect(openSqliteLog(folder.path)).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
});

test('a damaged file is told, not read', async () => {
  const path = newPath();
  const log = await openSqliteLog(path, { create: true });
  for (let after = 0; after < 200; after += 1) await log.append('s', after, Buffer.alloc(2_000, after));
  await log.close();
  const size = statSync(path).size;
  const junk = Buffer.alloc(size - 4096, 0x5a);
  const { openSync, writeSync, closeSync } = await import('node:fs');
  const file = openSync(path, 'r+');
  writeSync(file, junk, 0, junk.length, 4096);
  closeSync(file);
  await expect(openSqliteLog(path).then((opened) => opened.read('s', 0, { limit: 1_000 }))).rejects.toMatchObject({
    code: 'CERTBUS_STORE_DAMAGED',
  });
});

test("another connection's write is seen without reading", async () => {
  const path = newPath();
  const one = await openSqliteLog(path, { create: true });
  const two = await openSqliteLog(path);
  const before = two.version?.();
  expect(two.version?.()).toBe(before);
  await one.append('s', 0, Buffer.from('x'));
  expect(two.version?.()).not.toBe(before);
  await one.close();
  await two.close();
});

test.each([
  ['3.51.3', true],
  ['3.53.4', true],
  ['4.0.0', true],
  ['3.50.7', true],
  ['3.44.6', true],
  ['3.51.2', false],
  ['3.50.6', false],
  ['3.49.9', false],
  ['3.44.5', false],
])('SQLite %s has the fix of the WAL-reset race: %s', (version, fixed) => {
  expect(hasWalResetFix(version)).toBe(fixed);
});

test('four processes on one file leave a log without gaps in which everything acknowledged stands once', async () => {
  const path = newPath();
  await (await openSqliteLog(path, { create: true })).close();
  const writers = ['a', 'b', 'c', 'd'].map((name) => startWriter(path, name, { most: 50 }));
  await Promise.all(writers.map(({ ended }) => ended));
  const texts = await readTexts(path);
  const acknowledged = writers.flatMap((writer) => writer.acknowledged());
  expect(texts).toHaveLength(200);
  expect(acknowledged).toHaveLength(200);
  expect(lost(acknowledged, texts)).toEqual([]);
});

describe.each([
  ['wal', 100],
  ['delete', 20],
])('in journal mode %s', (mode, full) => {
  test('SIGKILL of two managers, again and again, loses nothing that was acknowledged, and the bus verifies each time', {
    tags: 'full',
  }, async () => {
    const rounds = sized({ small: 5, full });
    const path = newPath();
    const { keys, checkpoint: begun } = await beginSignedBus(path);
    expect(pragma(path, `journal_mode = ${mode}`)).toBe(mode);
    const acknowledged: Acknowledged[] = [];
    let verified = begun;
    for (let round = 0; round < rounds; round += 1) {
      const writers = ['a', 'b'].map((name) => startSigningWriter(path, `${name}${round}`, verified));
      await until(() => writers.every((writer) => writer.acknowledged().length > 2));
      // Somewhere in a write, not always behind the same one.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      await Promise.all(writers.map((writer) => writer.kill()));
      acknowledged.push(...writers.flatMap((writer) => writer.acknowledged()));
      const { hashes, checkpoint } = await verifyFile(path, keys, verified);
      expect(lost(acknowledged, hashes)).toEqual([]);
      expect(checkpoint.position).toBe(hashes.length);
      verified = checkpoint;
      if (round % 10 === 9) expect(pragma(path, 'integrity_check')).toBe('ok');
    }
    expect(acknowledged.length).toBeGreaterThan(rounds * 5);
    expect(pragma(path, 'journal_mode')).toBe(mode);
  });
});
