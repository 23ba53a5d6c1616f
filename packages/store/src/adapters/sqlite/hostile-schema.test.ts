import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { openSqliteLog } from './sqlite.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
let files = 0;

const ENDLESS = 'WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)';
const COLUMNS = 'stream TEXT NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL';

/** What somebody who can write to a bus file can make of its schema. */
const HOSTILE: readonly (readonly [what: string, sql: string])[] = [
  [
    'a view without end in the place of the commits',
    `DROP TABLE commits; CREATE VIEW commits AS ${ENDLESS} SELECT 's' AS stream, i AS position, x'61' AS bytes FROM n WHERE i < 0`,
  ],
  [
    'a view without end in the place of the streams',
    `DROP TABLE streams; CREATE VIEW streams AS ${ENDLESS} SELECT 's' AS stream, i AS first FROM n WHERE i < 0`,
  ],
  [
    'a virtual table in the place of the commits',
    'DROP TABLE commits; CREATE VIRTUAL TABLE commits USING fts5 (stream, position, bytes)',
  ],
  [
    'a generated column',
    `DROP TABLE commits; CREATE TABLE commits (stream TEXT, position INTEGER, bytes BLOB AS (zeroblob(100000000)), UNIQUE (stream, position))`,
  ],
  ['commits without their index', `DROP TABLE commits; CREATE TABLE commits (${COLUMNS}) STRICT`],
  [
    'commits of any type',
    'DROP TABLE commits; CREATE TABLE commits (stream, position, bytes, UNIQUE (stream, position))',
  ],
  [
    'a trigger',
    `CREATE TRIGGER t BEFORE INSERT ON commits BEGIN SELECT count(*) FROM (${ENDLESS} SELECT i FROM n); END`,
  ],
  ['an index on an expression', 'CREATE INDEX i ON commits (length(bytes))'],
  ['a view that nobody reads', `CREATE VIEW other AS ${ENDLESS} SELECT i FROM n`],
  ['a table of somebody else', 'CREATE TABLE other (a)'],
  ['no table of commits', 'DROP TABLE commits'],
];

async function createBus(): Promise<string> {
  files += 1;
  const path = join(folder.path, `bus${files}.db`);
  const log = await openSqliteLog(path, { create: true });
  await log.append('s', 0, Buffer.from('one'));
  await log.close();
  return path;
}

function change(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

const damaged = expect.objectContaining({
  code: 'CERTBUS_STORE_DAMAGED',
  message: expect.stringMatching(/(that CertBus did not make|lacks a table).*certbus bus import/),
});

describe.each(HOSTILE)('a bus file with %s', (_, sql) => {
  test('is refused before it is read', async () => {
    const path = await createBus();
    change(path, sql);
    await expect(openSqliteLog(path)).rejects.toEqual(damaged);
    await expect(openSqliteLog(path, { create: true })).rejects.toEqual(damaged);
  });

  test('is refused by those who have it open, to read and to write', async () => {
    const path = await createBus();
    const log = await openSqliteLog(path);
    expect((await log.read('s', 0)).commits).toHaveLength(1);
    change(path, sql);
    await expect(log.read('s', 0)).rejects.toEqual(damaged);
    await expect(log.append('s', 1, Buffer.from('two'))).rejects.toEqual(damaged);
    await expect(log.maintenance?.first('s')).rejects.toEqual(damaged);
    await log.close();
  });
});

test('a bus whose schema is put right is read and written by those who had it open', async () => {
  const path = await createBus();
  const log = await openSqliteLog(path);
  change(path, 'CREATE VIEW other AS SELECT 1');
  await expect(log.read('s', 0)).rejects.toEqual(damaged);
  change(path, 'DROP VIEW other');
  expect((await log.read('s', 0)).commits).toHaveLength(1);
  expect(await log.append('s', 1, Buffer.from('two'))).toBe(2);
  await log.close();
});

test('a copy made with VACUUM is a bus', async () => {
  const path = await createBus();
  change(path, `VACUUM INTO '${path}.copy'`);
  const log = await openSqliteLog(`${path}.copy`);
  expect((await log.read('s', 0)).commits).toHaveLength(1);
  await log.close();
});

test('a row of 8 MB damages the bus, and what is before it is read', async () => {
  const path = await createBus();
  change(path, "INSERT INTO commits VALUES ('s', 2, zeroblob(8000000)), ('s', 3, zeroblob(8000000))");
  const log = await openSqliteLog(path);
  expect(await log.read('s', 0)).toMatchObject({ commits: [{ position: 1 }], end: false });
  await expect(log.read('s', 1)).rejects.toMatchObject({ code: 'CERTBUS_STORE_DAMAGED' });
  await log.close();
});
