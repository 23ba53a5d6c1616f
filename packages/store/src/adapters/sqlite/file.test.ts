import { chmodSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { isBusy } from '../sqlite-codes.ts';
import { openSqliteFile, type SqliteFile } from './file.ts';
import { openSqliteLog } from './sqlite.ts';

const NOBODY = 65_534;
const isRoot = process.geteuid?.() === 0;

const folder = temporaryFolder();
chmodSync(folder.path, 0o755);
let files = 0;
afterAll(() => {
  for (const name of readdirSync(folder.path)) chmodSync(join(folder.path, name), 0o755);
  folder.remove();
});

/** A bus in a folder where its readers may change nothing, and what a manager does there. */
async function createBus(): Promise<{ path: string; asManager<T>(work: () => T): T }> {
  files += 1;
  const busFolder = join(folder.path, String(files));
  mkdirSync(busFolder);
  const path = join(busFolder, 'bus.db');
  await (await openSqliteLog(path, { create: true })).close();
  const setModes = (folderMode: number, fileMode: number) => {
    chmodSync(path, fileMode);
    chmodSync(busFolder, folderMode);
  };
  setModes(0o555, 0o444);
  const asManager = <T>(work: () => T): T => {
    if (isRoot) process.seteuid?.(0);
    else setModes(0o755, 0o644);
    try {
      return work();
    } finally {
      if (isRoot) process.seteuid?.(NOBODY);
      else setModes(0o555, 0o444);
    }
  };
  return { path, asManager };
}

function asReader<T>(work: () => T): T {
  if (isRoot) process.seteuid?.(NOBODY);
  try {
    return work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

function insert(path: string, position: number): void {
  const database = new DatabaseSync(path);
  database.prepare("INSERT INTO commits (stream, position, bytes) VALUES ('s', ?, x'61')").run(position);
  database.close();
}

function thrownBy(work: () => unknown): unknown {
  try {
    work();
    return undefined;
  } catch (error) {
    return error;
  }
}

const count = (file: SqliteFile) => file.read(({ rows }) => rows.selectBehind.all('s', 0, 100).length);

describe.skipIf(process.platform === 'win32')('a file that is read without locks', () => {
  test('what was read while somebody wrote is not believed, and the next read sees the whole', async () => {
    const { path, asManager } = await createBus();
    asReader(() => {
      const file = openSqliteFile(path, { create: false });
      expect(file.connection().shows).toBeDefined();
      expect(count(file)).toBe(0);
      const met = thrownBy(() => file.read(() => asManager(() => insert(path, 1))));
      expect(met).toSatisfy(isBusy);
      expect(count(file)).toBe(1);
      file.close();
    });
  });

  test('an error that was met while somebody wrote is not believed, and any other is', async () => {
    const { path, asManager } = await createBus();
    asReader(() => {
      const file = openSqliteFile(path, { create: false });
      const failure = new Error('torn');
      const fail = (before: () => void) => () => {
        before();
        throw failure;
      };
      expect(thrownBy(() => file.read(fail(() => {})))).toBe(failure);
      expect(thrownBy(() => file.read(fail(() => asManager(() => insert(path, 1)))))).toSatisfy(isBusy);
      file.close();
    });
  });

  test('is opened again for each read until a change could no longer go unseen', async () => {
    const { path, asManager } = await createBus();
    const { ctimeMs } = statSync(path);
    vi.useFakeTimers({ toFake: ['Date'], now: ctimeMs });
    onTestFinished(() => void vi.useRealTimers());
    const file = asReader(() => openSqliteFile(path, { create: false }));
    const connected = () => file.read((connection) => connection);
    const staysOpen = () =>
      asReader(() => {
        const first = connected();
        return connected() === first;
      });
    expect(staysOpen()).toBe(false);
    vi.setSystemTime(ctimeMs + 3_500);
    expect(staysOpen()).toBe(true);
    asReader(() => asManager(() => insert(path, 1)));
    expect(asReader(() => count(file))).toBe(1);
    file.close();
  });
});
