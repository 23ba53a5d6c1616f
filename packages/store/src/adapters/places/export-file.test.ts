import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { until } from '../sqlite/processes.builders.ts';
import { openExportFile } from './export-file.ts';
import { smallDisk } from './small-disk.builders.ts';

const WRITER = fileURLToPath(new URL('./export-writer.builders.ts', import.meta.url));
const isWindows = process.platform === 'win32';
const folder = temporaryFolder();
const started: ChildProcess[] = [];
afterAll(() => {
  for (const child of started) child.kill('SIGKILL');
  folder.remove();
});

/** A writer in a process of its own, behind what a shell does first. */
function startWriter(path: string, { first = '', blocks = 1 } = {}) {
  const command = [process.execPath, '--conditions=certbus:source', WRITER, path, String(blocks)];
  const child = spawn('sh', ['-c', `${first}exec "$@"`, 'sh', ...command], { stdio: ['ignore', 'pipe', 'pipe'] });
  started.push(child);
  const writer = { child, said: '', complaint: '', ended: once(child, 'close') };
  child.stdout.on('data', (chunk) => (writer.said += chunk));
  child.stderr.on('data', (chunk) => (writer.complaint += chunk));
  return writer;
}

const commit = (position: number) => ({ position, bytes: Buffer.from(`${randomBytes(60_000).toString('hex')}\n\n`) });

/** The last position of each whole block of a file. */
async function blocksOf(path: string): Promise<(number | undefined)[]> {
  const file = await openExportFile(path);
  const found: (number | undefined)[] = [];
  for await (const block of file.blocks()) found.push(block.at(-1)?.position);
  await file.close();
  return found;
}

/** Adds one block behind those that are there. */
async function addTo(path: string, position: number): Promise<void> {
  const file = await openExportFile(path, { create: true });
  try {
    for await (const _ of file.blocks());
    await file.append([commit(position)]);
  } finally {
    await file.close();
  }
}

test('a full disk is told, what was written stays, and the same export goes on once there is room', async ({
  skip,
}) => {
  const disk = smallDisk(join(folder.path, 'disk')) ?? skip('a small disk needs root on Linux');
  try {
    const [path, ballast] = [join(disk.path, 'export'), join(disk.path, 'ballast')];
    writeFileSync(ballast, Buffer.alloc(800_000));
    await addTo(path, 1);
    await addTo(path, 2);
    const full = { code: 'CERTBUS_STORE_FULL', message: expect.stringContaining('run the same export again') };
    await expect(
      (async () => {
        for (let position = 3; position < 20; position += 1) await addTo(path, position);
      })(),
    ).rejects.toMatchObject(full);
    const before = await blocksOf(path);
    expect(before.slice(0, 2)).toEqual([1, 2]);
    rmSync(ballast);
    await addTo(path, before.length + 1);
    expect(await blocksOf(path)).toEqual([...before, before.length + 1]);
  } finally {
    disk.remove();
  }
});

test.skipIf(isWindows)('a file that may not grow is told, and goes on behind its last whole block', async () => {
  const path = join(folder.path, 'limited');
  const writer = startWriter(path, { first: `trap '' XFSZ; ulimit -f 200; `, blocks: 50 });
  await writer.ended;
  expect(writer.complaint).toContain('CERTBUS_STORE_FULL');
  const before = await blocksOf(path);
  expect(before.length).toBeGreaterThan(0);
  expect(writer.said.trim().split('\n')).toEqual(before.map((position) => `written ${position}`));
  await addTo(path, before.length + 1);
  expect(await blocksOf(path)).toEqual([...before, before.length + 1]);
});

test('two cannot write to one export at once, in one process or in two, and others can read it', async () => {
  const path = join(folder.path, 'shared');
  const file = await openExportFile(path, { create: true });
  const busy = { code: 'CERTBUS_STORE_EXPORT_BUSY', message: expect.stringContaining(path) };
  await expect(openExportFile(path, { create: true })).rejects.toMatchObject(busy);
  const second = startWriter(path);
  await second.ended;
  expect(second.complaint).toContain('CERTBUS_STORE_EXPORT_BUSY');
  expect(second.said).toBe('');
  await file.append([commit(1)]);
  expect(await blocksOf(path)).toEqual([1]);
  await file.close();
  await addTo(path, 2);
  expect(await blocksOf(path)).toEqual([1, 2]);
});

test('an export whose writer was killed is taken up by the next one', async () => {
  const path = join(folder.path, 'killed');
  const writer = startWriter(path, { blocks: 2 });
  await until(() => writer.said.includes('waiting'));
  await expect(addTo(path, 3)).rejects.toMatchObject({ code: 'CERTBUS_STORE_EXPORT_BUSY' });
  writer.child.kill('SIGKILL');
  await writer.ended;
  await addTo(path, 3);
  expect(await blocksOf(path)).toEqual([1, 2, 3]);
});

test('a place where no file can be made is told, and no lock is left', async () => {
  const path = join(folder.path, 'no-such-folder', 'export');
  await expect(openExportFile(path, { create: true })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_UNREADABLE',
    message: expect.stringContaining('no-such-folder'),
  });
  expect(existsSync(`${path}.lock`)).toBe(false);
});

test('a short file that is not an export is refused and stays as it is, and one that was begun is gone on with', async () => {
  const path = join(folder.path, 'short');
  for (const other of ['a', 'note', 'secret\n', 'P*m']) {
    writeFileSync(path, other);
    await expect(addTo(path, 1)).rejects.toMatchObject({
      code: 'CERTBUS_STORE_EXPORT_REFUSED',
      message: expect.stringContaining('this file is not an export'),
    });
    expect(readFileSync(path, 'utf8')).toBe(other);
  }
  const whole = join(folder.path, 'whole');
  await addTo(whole, 1);
  for (const length of [0, 1, 3, 4, 7, 9]) {
    writeFileSync(path, readFileSync(whole).subarray(0, length));
    await addTo(path, 1);
    expect(await blocksOf(path)).toEqual([1]);
  }
});
