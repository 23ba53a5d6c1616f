import { existsSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, describe, expect, test } from 'vitest';
import { checkHistory, type Operation } from '../../conformance/history.ts';
import { conformance } from '../../conformance/index.ts';
import { openLog } from '../../open.ts';
import { BAD_ROWS, putBadRow, putFirst } from './bad-rows.builders.ts';
import {
  beginSignedBus,
  pragma,
  readTexts,
  startSigningWriter,
  startWriter,
  until,
  verifyFile,
} from './processes.builders.ts';
import { openSqliteLog } from './sqlite.ts';
import { hasWalResetFix } from './wal-reset.ts';

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
      return {
        log,
        reopen: () => openSqliteLog(path),
        putBadRow: async (kind, stream, position) => putBadRow(path, kind, stream, position),
        dispose: () => log.close(),
      };
    },
    badRows: BAD_ROWS,
  });
});

/** A bus file with five commits and one bad row. */
async function openWithBadRow(kind: string, position: number) {
  const path = newPath();
  const log = await openSqliteLog(path, { create: true });
  for (let after = 0; after < 5; after += 1) await log.append('s', after, Buffer.from(`commit ${after + 1}`));
  putBadRow(path, kind, 's', position);
  return log;
}

const damaged = expect.objectContaining({
  code: 'CERTBUS_STORE_DAMAGED',
  message: expect.stringContaining('bus repair'),
});

test.each(BAD_ROWS.filter((kind) => !kind.includes('stream')))(
  '%s damages the bus, and what is before it is read',
  async (kind) => {
    const log = await openWithBadRow(kind, 4);
    const good: number[] = [];
    const read = async (after: number): Promise<void> => {
      const { commits, end } = await log.read('s', after);
      good.push(...commits.map(({ position }) => position));
      if (!end) await read(good.at(-1) ?? after);
    };
    await expect(read(0)).rejects.toEqual(damaged);
    expect(good).toEqual([1, 2, 3, 4, 5].slice(0, good.length));
    await log.close();
  },
);

test.each(BAD_ROWS.filter((kind) => kind.includes('stream')))('%s is in no stream', async (kind) => {
  const log = await openWithBadRow(kind, 4);
  expect((await log.read('s', 0)).commits).toHaveLength(5);
  expect(await log.append('s', 5, Buffer.from('commit 6'))).toBe(6);
  await log.close();
});

test.each([0n, -1n, 2n ** 53n, 2n ** 63n - 1n, -(2n ** 63n)])(
  'a stream that begins at %s is damaged, and put right',
  async (first) => {
    const path = newPath();
    const log = await openSqliteLog(path, { create: true });
    putFirst(path, 's', first);
    await expect(log.read('s', 0)).rejects.toEqual(damaged);
    await expect(log.append('s', 0, Buffer.from('commit 1'))).rejects.toEqual(damaged);
    expect(await log.maintenance?.first('s')).toBe(1);
    expect(await log.maintenance?.correctFirst('s', 1)).toBe(true);
    expect(await log.append('s', 0, Buffer.from('commit 1'))).toBe(1);
    expect((await log.read('s', 0)).commits).toHaveLength(1);
    await log.close();
  },
);

test('what is not a stray is not removed as one', async () => {
  const log = await openWithBadRow('a position of 2^53', 4);
  const remove = (stray: string) => log.maintenance?.removeStray?.('s', stray);
  await expect(remove('4')).rejects.toThrow(TypeError);
  await expect(remove('row 1; DROP TABLE commits')).rejects.toThrow(TypeError);
  await remove('row 1');
  await remove('row 6');
  expect((await log.read('s', 0)).commits).toHaveLength(5);
  await log.close();
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

test('four processes on one file leave a log without gaps, and a history in which nothing is amiss', async () => {
  const path = newPath();
  await (await openSqliteLog(path, { create: true })).close();
  const writers = ['a', 'b', 'c', 'd'].map((name) => startWriter(path, name, { most: 50 }));
  await Promise.all(writers.map(({ ended }) => ended));
  const texts = await readTexts(path);
  expect(texts).toHaveLength(200);
  expect(writers.flatMap((writer) => writer.acknowledged())).toHaveLength(200);
  const operations = writers.flatMap((writer) => writer.operations());
  expect(checkHistory(operations, texts)).toEqual([]);
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
    const { keys, checkpoint: first, begun } = await beginSignedBus(path);
    expect(pragma(path, `journal_mode = ${mode}`)).toBe(mode);
    const operations: Operation[] = [begun];
    let acknowledged = 0;
    let verified = first;
    for (let round = 0; round < rounds; round += 1) {
      const writers = ['a', 'b'].map((name) => startSigningWriter(path, `${name}${round}`, verified));
      await until(() => writers.every((writer) => writer.acknowledged().length > 2));
      // Somewhere in a write, not always behind the same one.
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 10));
      await Promise.all(writers.map((writer) => writer.kill()));
      operations.push(...writers.flatMap((writer) => writer.operations()));
      acknowledged += writers.flatMap((writer) => writer.acknowledged()).length;
      const { hashes, checkpoint } = await verifyFile(path, keys, verified);
      expect(checkHistory(operations, hashes)).toEqual([]);
      expect(checkpoint.position).toBe(hashes.length);
      verified = checkpoint;
    }
    expect(acknowledged).toBeGreaterThan(rounds * 5);
    expect(pragma(path, 'integrity_check')).toBe('ok');
    expect(pragma(path, 'journal_mode')).toBe(mode);
  });
});
