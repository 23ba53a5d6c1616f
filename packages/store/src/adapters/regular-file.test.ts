import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { openExportFile } from './places/export-file.ts';
import { lockFile } from './places/file-lock.ts';
import { openFolder } from './places/folder.ts';
import { openRegular, readRegular } from './regular-file.ts';
import { openGuarded } from './sqlite-guard.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

const pathOf = (name: string) => join(folder.path, name);
execFileSync('mkfifo', [pathOf('fifo')]);
symlinkSync(pathOf('fifo'), pathOf('link'));
writeFileSync(pathOf('file'), 'text');

async function listen(path: string): Promise<void> {
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once('listening', resolve));
  onTestFinished(() => void server.close());
}

test.each(['fifo', 'link', 'socket', '/dev/null', '/dev/zero'])(
  '%s is not read, and nothing is waited for',
  async (name) => {
    if (name === 'socket') await listen(pathOf(name));
    const path = name.startsWith('/') ? name : pathOf(name);
    const code = expect.stringMatching(/^(ENOTREG|ENXIO)$/);
    await expect(openRegular(path)).rejects.toMatchObject({ code });
    expect(() => readRegular(path)).toThrow(expect.objectContaining({ code }));
  },
);

test('a text of more than 16 MiB is not read into memory', () => {
  writeFileSync(pathOf('large'), '');
  truncateSync(pathOf('large'), 16_777_217);
  expect(() => readRegular(pathOf('large'))).toThrow(expect.objectContaining({ code: 'EFBIG' }));
});

test('a regular file is read, a folder is none, and a pipe that this process has is read by its descriptor', async () => {
  expect(readRegular(pathOf('file'))).toBe('text');
  expect(() => readRegular(folder.path)).toThrow(/EISDIR/);
  const file = openSync(pathOf('file'), 'r');
  expect(readRegular(`/dev/fd/${file}`)).toBe('text');
  closeSync(file);
});

test.each([
  ['without a mark', Buffer.from('bücher')],
  ['in UTF-8 with a mark', Buffer.from('\ufeffbücher')],
  ['in UTF-16 of PowerShell', Buffer.from('\ufeffbücher', 'utf16le')],
  ['in UTF-16 with the high byte first', Buffer.from('\ufeffbücher', 'utf16le').swap16()],
])('a text %s is read as what it says', (_, bytes) => {
  writeFileSync(pathOf('text'), bytes);
  expect(readRegular(pathOf('text'))).toBe('bücher');
});

test('a pipe in the folder of an archive is an error that says what it is, and hangs no start', async () => {
  const place = openFolder(folder.path);
  await expect(place.get('fifo')).rejects.toMatchObject({
    name: 'StoreError',
    message: expect.stringMatching(/regular file/),
  });
  await expect(place.update('fifo', () => undefined)).rejects.toThrow(/regular file/);
  expect(Buffer.from((await place.get('file')) ?? []).toString()).toBe('text');
  expect(await place.get('away')).toBeUndefined();
});

test.each([false, true])('a pipe in the place of an export is refused (create: %s)', async (create) => {
  await expect(openExportFile(pathOf('fifo'), { create })).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_UNREADABLE',
    message: expect.stringMatching(/regular file/),
  });
});

test('a pipe in the place of a database or a lock is not opened', () => {
  for (const act of [
    () => openGuarded(pathOf('fifo')),
    () => openGuarded(pathOf('link'), { readOnly: true }),
    () => openGuarded(new URL(`file://${pathOf('fifo')}?mode=rw`)),
    () => lockFile(pathOf('fifo')),
  ])
    expect(act).toThrow(/regular file/);
});

test('a lock in a state folder is taken whatever a failing disk wrote into its file, and no second one beside it; no other file is emptied', () => {
  const path = pathOf('damaged.lock');
  writeFileSync(path, 'x'.repeat(4_096));
  expect(() => lockFile(path)).toThrow(/not a database/);
  expect(readFileSync(path, 'utf8')).toHaveLength(4_096);
  const held = lockFile(path, { isOwn: true });
  expect(held).toBeDefined();
  expect(lockFile(path, { isOwn: true })).toBeUndefined();
  held?.[Symbol.dispose]();
  const again = lockFile(path, { isOwn: true });
  expect(again).toBeDefined();
  again?.[Symbol.dispose]();
});
