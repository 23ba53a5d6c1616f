import fs, { copyFileSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BEGINNING } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { beginBus, createView, removed } from '../../bus.builders.ts';
import { openBus } from '../../bus.ts';
import { type Batch, follow } from '../../follow.ts';
import type { Log } from '../../log.ts';
import { transact } from '../../transact.ts';
import { openSqliteLog } from './sqlite.ts';
import { whenWritten } from './watch.ts';

const root = temporaryFolder();
let folders = 0;
afterAll(() => root.remove());

/** Timers stand still unless a test moves them: what ends a wait then is the file system. */
beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

/** Two connections to a bus in a folder of its own that was quiet for an hour. */
async function openTwice(journal: 'wal' | 'delete') {
  folders += 1;
  const folder = join(root.path, String(folders));
  mkdirSync(folder);
  const path = join(folder, 'bus.db');
  const made = await openSqliteLog(path, { create: true });
  await made.append('s', 0, Buffer.from('one'));
  await made.close();
  const database = new DatabaseSync(path);
  database.exec(`PRAGMA journal_mode = ${journal}`);
  database.close();
  const [reader, writer] = [await openSqliteLog(path), await openSqliteLog(path)];
  onTestFinished(async () => {
    await reader.close();
    await writer.close();
  });
  await reader.read('s', 0);
  age(path);
  return { folder, path, reader, writer };
}

function age(path: string): void {
  const hourAgo = Date.now() / 1_000 - 3_600;
  for (const file of [path, `${path}-wal`]) if (fs.existsSync(file)) utimesSync(file, hourAgo, hourAgo);
}

const never = new AbortController().signal;
const wait = { withinMs: 3_600_000, signal: never };

/** Waits as a follower does, and counts the looks at the file. */
function waitOn(path: string, log: Log) {
  let looks = 0;
  const before = log.version?.();
  const isWritten = () => {
    looks += 1;
    return log.version?.() !== before;
  };
  return { written: whenWritten(path, isWritten, wait), looks: () => looks };
}

const { platform } = process;
const pretend = (name: string) => Object.defineProperty(process, 'platform', { value: name });
afterEach(() => void pretend(platform));

test.each([
  ['wal', platform],
  ['delete', platform],
  ['wal', 'darwin'],
  ['delete', 'darwin'],
] as const)(
  'one look after a write finds it, and what else is written in the folder causes none: journal mode %s, %s',
  async (journal, name) => {
    pretend(name);
    const { folder, path, reader, writer } = await openTwice(journal);
    const { written, looks } = waitOn(path, reader);
    expect(looks()).toBe(1);
    const replica = new DatabaseSync(join(folder, 'reader-0123456789abcdef.db'));
    replica.exec('PRAGMA journal_mode = WAL; CREATE TABLE certificates (id)');
    for (let n = 0; n < 50; n += 1) replica.exec(`INSERT INTO certificates VALUES (${n})`);
    replica.close();
    writeFileSync(join(folder, 'bus.db.bak'), 'x');
    await writer.append('s', 1, Buffer.from('two'));
    await written;
    expect(looks()).toBe(2);
  },
);

test('a quiet bus is looked at once a second', async () => {
  const { path, reader } = await openTwice('wal');
  const { looks } = waitOn(path, reader);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(looks()).toBe(61);
});

test('a commit that is still being flushed is looked for at pauses of a quarter of the time since it was begun', async () => {
  const { path } = await openTwice('wal');
  let looks = 0;
  let isFlushed = false;
  const written = whenWritten(
    path,
    () => {
      looks += 1;
      return isFlushed;
    },
    wait,
  );
  utimesSync(path, new Date(), new Date());
  while (looks === 1) await new Promise((resolve) => setImmediate(resolve));
  await vi.advanceTimersByTimeAsync(100);
  expect(looks).toBeLessThan(25);
  isFlushed = true;
  await vi.advanceTimersByTimeAsync(25);
  await written;
});

test('nobody looks, and so waits for a lock, while a rollback journal is there', async () => {
  const { path, reader } = await openTwice('delete');
  const other = new DatabaseSync(path);
  onTestFinished(() => other.close());
  other.exec("BEGIN IMMEDIATE; INSERT INTO commits VALUES ('s', 2, x'00')");
  utimesSync(path, new Date(), new Date());
  const { written, looks } = waitOn(path, reader);
  await vi.advanceTimersByTimeAsync(500);
  expect(looks()).toBe(0);
  other.exec('COMMIT');
  await written;
});

test.each([
  [
    'CERTBUS_STORE_CLOSED',
    'is replaced',
    ({ path }: { path: string }) => {
      copyFileSync(path, `${path}.restored`);
      renameSync(`${path}.restored`, path);
    },
  ],
  ['CERTBUS_STORE_UNREACHABLE', 'is removed with its folder', ({ folder }) => rmSync(folder, { recursive: true })],
  [
    'CERTBUS_STORE_UNREACHABLE',
    'is moved with its folder, which nothing reports',
    async ({ folder }) => {
      renameSync(folder, `${folder}.away`);
      await vi.advanceTimersByTimeAsync(1_000);
    },
  ],
] as [string, string, (bus: { path: string; folder: string }) => unknown][])(
  'the wait ends, for a read that rejects %s, when the file %s',
  async (code, _, happen) => {
    const bus = await openTwice('wal');
    const written = bus.reader.whenWritten?.(bus.reader.version?.() ?? 0, wait);
    await happen(bus);
    await written;
    await expect(bus.reader.read('s', 0)).rejects.toMatchObject({ code });
  },
);

test.each(['EMFILE', 'ENOSPC'])(
  'without a watch, as where there are no more (%s), a write is seen within a second',
  async (code) => {
    const { path, reader, writer } = await openTwice('wal');
    const { watch } = fs;
    fs.watch = () => {
      throw Object.assign(new Error(`${code}: no more watches`), { code });
    };
    syncBuiltinESMExports();
    onTestFinished(() => {
      fs.watch = watch;
      syncBuiltinESMExports();
    });
    const { written, looks } = waitOn(path, reader);
    await writer.append('s', 1, Buffer.from('two'));
    await vi.advanceTimersByTimeAsync(1_000);
    await written;
    expect(looks()).toBe(2);
  },
);

test('the wait ends by its time and by its signal, and leaves no watch behind', async () => {
  const { reader } = await openTwice('wal');
  const version = reader.version?.() ?? 0;
  const over = reader.whenWritten?.(version, { withinMs: 2_500, signal: never });
  await vi.advanceTimersByTimeAsync(2_500);
  await over;
  const stop = new AbortController();
  const stopped = reader.whenWritten?.(version, { ...wait, signal: stop.signal });
  stop.abort(new Error('enough'));
  await expect(stopped).rejects.toThrow('enough');
  expect(process.getActiveResourcesInfo()).not.toContain('FSEventWrap');
});

test('a follower reads a quiet bus once, and at once what another connection writes, also while a page is used', async () => {
  const { reader, writer } = await openTwice('wal');
  const { bus, keys } = await beginBus(writer);
  let reads = 0;
  const counting: Log = {
    ...reader,
    read(...call) {
      reads += 1;
      return reader.read(...call);
    },
  };
  const view = createView();
  const write = (n: number) => transact(bus, view, () => ({ events: [removed(n)], result: n }));
  const options = { intervalMs: 3_600_000, signal: never };
  const batches = follow(openBus(counting, 'test', keys), BEGINNING, options);
  const next = async () => (await batches.next()).value as Batch;
  expect((await next()).checkpoint.position).toBe(1);
  await write(1);
  expect((await next()).checkpoint.position).toBe(2);
  const third = next();
  await write(2);
  expect((await third).checkpoint.position).toBe(3);
  expect(reads).toBe(3);
});
