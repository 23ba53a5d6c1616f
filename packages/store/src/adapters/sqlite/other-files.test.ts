import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test, vi } from 'vitest';
import { readStream } from '../../bus.builders.ts';
import { checkHistory } from '../../conformance/history.ts';
import type { Log } from '../../log.ts';
import { smallDisk } from '../places/small-disk.builders.ts';
import { firstAppend } from './processes.builders.ts';
import { operationsIn } from './reporting-log.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const NOBODY = 65_534;
const WRITER = fileURLToPath(new URL('./writer.builders.ts', import.meta.url));
const isRoot = process.geteuid?.() === 0;
const isWindows = process.platform === 'win32';

const folder = temporaryFolder();
chmodSync(folder.path, 0o755);
let files = 0;
const newPath = () => {
  files += 1;
  return join(folder.path, `bus${files}.db`);
};
afterAll(() => folder.remove());

/** Does something as a user with no rights on the file but what its mode gives everybody. */
async function asNobody<T>(work: () => Promise<T>): Promise<T> {
  process.seteuid?.(NOBODY);
  try {
    return await work();
  } finally {
    process.seteuid?.(0);
  }
}

async function createBus(): Promise<string> {
  const path = newPath();
  const log = await openSqliteLog(path, { create: true });
  await log.append('s', 0, Buffer.from('one'));
  await log.close();
  return path;
}

test("creating a bus where somebody else's database lies is refused, and the database left as it was", async () => {
  const path = newPath();
  const database = new DatabaseSync(path);
  database.exec('CREATE TABLE bookmarks (url TEXT)');
  database.close();
  const before = readFileSync(path);
  await expect(openSqliteLog(path, { create: true })).rejects.toMatchObject({ code: 'CERTBUS_STORE_DAMAGED' });
  expect(readFileSync(path)).toEqual(before);
});

test.skipIf(isWindows)('a bus may have any name that a file can have', async () => {
  const path = join(folder.path, 'a bus #1?mode=memory&%41.db');
  const log = await openSqliteLog(path, { create: true });
  await log.append('s', 0, Buffer.from('one'));
  await log.close();
  expect(existsSync(path)).toBe(true);
  const again = await openSqliteLog(path);
  expect((await again.read('s', 0)).commits).toHaveLength(1);
  await again.close();
});

test('creating a bus in a folder that is not there names the folder, as where a shell left a ~ as it is', async () => {
  const missing = join(folder.path, '~');
  await expect(openSqliteLog(join(missing, 'bus.db'), { create: true })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_ACCESS_DENIED',
    message: expect.stringContaining(`the folder ${missing} does not exist. Make it, or correct the address.`),
  });
});

test('creating a bus that exists opens it as it is', async () => {
  const path = await createBus();
  const log = await openSqliteLog(path, { create: true });
  expect((await log.read('s', 0)).commits).toHaveLength(1);
  await log.close();
});

test.skipIf(isWindows)('a new bus can be read by its group and nobody else', async () => {
  const path = newPath();
  const umask = process.umask(0);
  const log = await openSqliteLog(path, { create: true }).finally(() => process.umask(umask));
  expect(statSync(path).mode & 0o777).toBe(0o640);
  await log.append('s', 0, Buffer.from('one'));
  expect(statSync(`${path}-wal`).mode & 0o777).toBe(0o640);
  await log.close();
});

test.skipIf(isWindows)('a bus that another file replaced is not written any more', async () => {
  const path = await createBus();
  const log = await openSqliteLog(path);
  copyFileSync(path, `${path}.copy`);
  renameSync(`${path}.copy`, path);
  await expect(log.append('s', 1, Buffer.from('two'))).rejects.toMatchObject({ code: 'CERTBUS_STORE_CLOSED' });
  await expect(log.read('s', 0)).rejects.toMatchObject({ code: 'CERTBUS_STORE_CLOSED' });
  await log.close();
});

test('a look at the version never throws, not even while another connection holds the file', async () => {
  const path = await createBus();
  const other = new DatabaseSync(path);
  const log = await openSqliteLog(path);
  other.exec('BEGIN EXCLUSIVE');
  expect(log.version?.()).toEqual(expect.any(Number));
  other.exec('ROLLBACK');
  other.close();
  await log.close();
  expect(log.version?.()).toEqual(expect.any(Number));
});

test('waiting for a lock ends with the signal', async () => {
  const path = await createBus();
  const other = new DatabaseSync(path);
  const log = await openSqliteLog(path);
  other.exec('BEGIN IMMEDIATE');
  const reason = new Error('stop');
  const controller = new AbortController();
  const append = log.append('s', 1, Buffer.from('two'), { signal: controller.signal });
  setTimeout(() => controller.abort(reason), 100);
  await expect(append).rejects.toBe(reason);
  other.exec('ROLLBACK');
  other.close();
  expect((await log.read('s', 0)).commits).toHaveLength(1);
  await log.close();
});

test.skipIf(!isRoot)(
  'a user cannot open what is closed to everybody, nor create a bus in a folder of others',
  async () => {
    const path = await createBus();
    // The user is changed, the group stays ours.
    chmodSync(path, 0o600);
    await expect(asNobody(() => openSqliteLog(path))).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
    const manager = await openSqliteLog(path);
    await manager.append('s', 1, Buffer.from('two'));
    await expect(asNobody(() => openSqliteLog(path))).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
    await manager.close();
    await expect(asNobody(() => openSqliteLog(newPath(), { create: true }))).rejects.toMatchObject({
      code: 'CERTBUS_STORE_ACCESS_DENIED',
    });
  },
);

/** Appends until there is no more room; how many commits are in the log then. */
async function fill(log: Log, head: number): Promise<number> {
  let reached = head;
  const append = async () => {
    for (; reached < 1_000; reached += 1) await log.append('s', reached, Buffer.alloc(50_000, reached));
  };
  await expect(append()).rejects.toMatchObject({ code: 'CERTBUS_STORE_FULL' });
  return reached;
}

/** Throws unless the log holds just what {@link fill} wrote, for this process and for the next one. */
async function expectFilled(path: string, log: Log, head: number): Promise<void> {
  const other = await openSqliteLog(path);
  for (const reader of [log, other]) {
    const commits = await readStream(reader, 's');
    expect(commits.map(({ bytes }) => bytes[0])).toEqual(Array.from({ length: head }, (_, n) => n % 256));
  }
  await other.close();
}

test('a full disk is told, what was acknowledged stays, and appends go on once there is room', async ({ skip }) => {
  const disk = smallDisk(join(folder.path, 'disk')) ?? skip('a small disk needs root on Linux');
  try {
    const ballast = join(disk.path, 'ballast');
    writeFileSync(ballast, Buffer.alloc(400_000));
    const path = join(disk.path, 'bus.db');
    const log = await openSqliteLog(path, { create: true });
    const before = await fill(log, 0);
    expect(before).toBeGreaterThan(1);
    await expectFilled(path, log, before);
    rmSync(ballast);
    const after = await fill(log, before);
    expect(after).toBeGreaterThan(before);
    await expectFilled(path, log, after);
    await log.close();
  } finally {
    disk.remove();
  }
});

test('a bus that may not grow is told, what was acknowledged stays, and appends go on once it may', async () => {
  const path = newPath();
  const exec = vi.spyOn(DatabaseSync.prototype, 'exec');
  const log = await openSqliteLog(path, { create: true });
  const database = exec.mock.contexts.at(-1) as DatabaseSync;
  exec.mockRestore();
  database.exec('PRAGMA max_page_count = 100');
  const before = await fill(log, 0);
  expect(before).toBeGreaterThan(1);
  await expectFilled(path, log, before);
  database.exec('PRAGMA max_page_count = 200');
  const after = await fill(log, before);
  expect(after).toBeGreaterThan(before);
  await expectFilled(path, log, after);
  await log.close();
});

test('a process that holds the lock for a second delays an append, and does not fail it', async () => {
  const path = await createBus();
  const log = await openSqliteLog(path);
  const holder = `
    const { DatabaseSync } = require('node:sqlite');
    const database = new DatabaseSync(process.argv[1]);
    database.exec("BEGIN IMMEDIATE; INSERT INTO commits VALUES ('of the holder', 1, x'61')");
    process.stdout.write('held');
    setTimeout(() => database.exec('COMMIT'), 1_000);`;
  const child = spawn(process.execPath, ['-e', holder, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  expect(await log.append('s', 1, Buffer.from('two'))).toBe(2);
  // The holder released it before: what it wrote is there.
  expect((await log.read('of the holder', 0)).commits).toHaveLength(1);
  await log.close();
});

test.skipIf(isWindows)(
  'a disk that fails during a commit leaves the outcome unknown, and loses nothing before it',
  async () => {
    const path = await createBus();
    // Writes beyond the limit fail with EFBIG, which SQLite takes for a failing disk.
    const script = `trap '' XFSZ; ulimit -f 200; exec "$@"`;
    const args = ['-c', script, 'sh', process.execPath, '--conditions=certbus:source', WRITER, path, 'a'];
    const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let said = '';
    let complaint = '';
    child.stdout.on('data', (chunk) => (said += chunk));
    child.stderr.on('data', (chunk) => (complaint += chunk));
    await once(child, 'close');
    expect(complaint).toContain('CERTBUS_STORE_OUTCOME_UNKNOWN');
    const log = await openSqliteLog(path);
    const all = (await readStream(log, 's')).map(({ bytes }) => Buffer.from(bytes).toString());
    await log.close();
    const operations = operationsIn(said);
    const appends = operations.filter(({ kind }) => kind === 'append');
    expect(appends.length).toBeGreaterThan(5);
    expect(appends.at(-1)).toMatchObject({ outcome: { kind: 'unknown' }, ended: expect.any(Number) });
    expect(checkHistory([firstAppend(all[0] ?? ''), ...operations], all)).toEqual([]);
  },
);
