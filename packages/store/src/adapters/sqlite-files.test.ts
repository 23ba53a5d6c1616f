import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, renameSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-testing';
import { afterAll, describe, expect, test } from 'vitest';
import { openSqliteLog } from './sqlite.ts';

const NOBODY = 65_534;
const WRITER = fileURLToPath(new URL('./sqlite-writer.builders.ts', import.meta.url));
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

describe.skipIf(!isRoot)('a user who may only read', () => {
  test('reads a bus that its manager has open, and is told why it cannot append', async () => {
    const path = await createBus();
    chmodSync(path, 0o644);
    const manager = await openSqliteLog(path);
    await asNobody(async () => {
      const log = await openSqliteLog(path);
      expect((await log.read('s', 0)).commits).toHaveLength(1);
      await expect(log.append('s', 1, Buffer.from('two'))).rejects.toMatchObject({ code: 'CERTBUS_STORE_READ_ONLY' });
      await log.close();
    });
    await manager.close();
  });

  test('is told what to do when nobody has the bus open', async () => {
    const path = await createBus();
    chmodSync(path, 0o644);
    await expect(asNobody(() => openSqliteLog(path))).rejects.toMatchObject({
      code: 'CERTBUS_STORE_READ_ONLY',
      message: expect.stringContaining('write to its folder'),
    });
  });

  test('cannot open what is closed to everybody, nor create a bus in a folder of others', async () => {
    const path = await createBus();
    // The user is changed, the group stays ours.
    chmodSync(path, 0o600);
    await expect(asNobody(() => openSqliteLog(path))).rejects.toMatchObject({ code: 'CERTBUS_STORE_ACCESS_DENIED' });
    await expect(asNobody(() => openSqliteLog(newPath(), { create: true }))).rejects.toMatchObject({
      code: 'CERTBUS_STORE_ACCESS_DENIED',
    });
  });
});

/** A disk of one megabyte, where this machine lets us have one. */
function smallDisk(): { readonly path: string; remove(): void } | undefined {
  if (!isRoot || process.platform !== 'linux') return undefined;
  const path = join(folder.path, 'disk');
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { path, remove: () => execFileSync('umount', [path]) };
}

test('a full disk is told, and what was acknowledged before stays', async ({ skip }) => {
  const disk = smallDisk() ?? skip('a small disk needs root on Linux');
  try {
    const log = await openSqliteLog(join(disk.path, 'bus.db'), { create: true });
    let head = 0;
    const fill = async () => {
      for (; head < 100; head += 1) await log.append('s', head, Buffer.alloc(50_000, head));
    };
    await expect(fill()).rejects.toMatchObject({ code: 'CERTBUS_STORE_FULL' });
    expect(head).toBeGreaterThan(1);
    expect((await log.read('s', 0)).commits).toHaveLength(head);
    await log.close();
  } finally {
    disk.remove();
  }
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
    const all = (await log.read('s', 0, { limit: 100_000 })).commits.map(({ bytes }) => Buffer.from(bytes).toString());
    await log.close();
    const acknowledged = said.trim().split('\n');
    expect(acknowledged.length).toBeGreaterThan(5);
    for (const line of acknowledged) expect(all[Number(line.split(' ')[0]) - 1]).toBe(line.split(' ')[1]);
  },
);
