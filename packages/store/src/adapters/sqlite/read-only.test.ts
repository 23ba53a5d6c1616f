import { type ChildProcess, spawn } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { fileURLToPath } from 'node:url';
import { asUser, temporaryFolder } from 'certbus-services';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { startWriter, until } from './processes.builders.ts';
import type { Answer, Progress, Question } from './reader.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const NOBODY = 65_534;
const READER = fileURLToPath(new URL('./reader.builders.ts', import.meta.url));
const isRoot = process.geteuid?.() === 0;

const folder = temporaryFolder();
chmodSync(folder.path, 0o755);
let files = 0;
const readers: ChildProcess[] = [];
afterEach(() => {
  for (const reader of readers.splice(0)) reader.kill('SIGKILL');
});
afterAll(() => {
  for (const name of readdirSync(folder.path)) chmodSync(join(folder.path, name), 0o755);
  folder.remove();
});

/** Root writes whatever the modes say; anybody else opens the folder for as long as it is the manager's turn. */
async function asManager<T>(path: string, work: () => Promise<T>): Promise<T> {
  if (isRoot) return work();
  const setModes = (folderMode: number, fileMode: number) => {
    chmodSync(dirname(path), folderMode);
    for (const name of readdirSync(dirname(path))) chmodSync(join(dirname(path), name), fileMode);
  };
  setModes(0o750, 0o640);
  try {
    return await work();
  } finally {
    setModes(0o550, 0o440);
  }
}

/** A bus with one commit, in a folder where its readers may change nothing. */
async function createBus(): Promise<string> {
  files += 1;
  const busFolder = join(folder.path, String(files));
  mkdirSync(busFolder);
  const path = join(busFolder, 'bus.db');
  const log = await openSqliteLog(path, { create: true });
  await log.append('s', 0, Buffer.from('one'));
  await log.close();
  if (isRoot) for (const each of [busFolder, path]) chownSync(each, 0, NOBODY);
  chmodSync(path, 0o440);
  chmodSync(busFolder, 0o550);
  return path;
}

function append(path: string, text: string): Promise<void> {
  return asManager(path, async () => {
    const log = await openSqliteLog(path);
    const { commits } = await log.read('s', 0, { limit: 100_000 });
    await log.append('s', commits.length, Buffer.from(text));
    await log.close();
  });
}

/** Appends in a process that does not live to close the bus; the texts that it got acknowledged. */
function appendUntilKilled(path: string): Promise<string[]> {
  return asManager(path, async () => {
    const writer = startWriter(path, 'killed');
    await until(() => writer.acknowledged().length > 9);
    await writer.kill();
    return writer.acknowledged().map(({ text }) => text);
  });
}

/** A process of a user who may read the bus and its folder, and no more. */
function startReader(path: string) {
  const words = [process.execPath, '--conditions=certbus:source', READER, path] as const;
  const [command, ...args] = isRoot ? asUser(NOBODY, words) : words;
  const child = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  readers.push(child);
  let seen = 0;
  return {
    /** At how many lengths it has seen the log, while it watches. */
    seen: () => seen,
    ask: (question: Question): Promise<Answer> =>
      new Promise((resolve) => {
        child.on('message', function take(message: Answer | Progress) {
          if (typeof message === 'number') {
            seen = message;
            return;
          }
          child.off('message', take);
          resolve(message);
        });
        child.send(question);
      }),
  };
}

/** Waits until a write of the files falls into another tick of the file system. */
const pastTick = () => new Promise((resolve) => setTimeout(resolve, 3_500));

describe.skipIf(process.platform === 'win32')('a user who may only read', () => {
  test('reads a bus that nobody has open, leaves nothing next to it, and is told why it cannot append', async () => {
    const path = await createBus();
    const reader = startReader(path);
    expect(await reader.ask('read')).toEqual({ result: ['one'] });
    expect(await reader.ask('append')).toMatchObject({ code: 'CERTBUS_STORE_READ_ONLY' });
    expect(readdirSync(dirname(path))).toEqual(['bus.db']);
  });

  test('sees what writers wrote that came and went, without having to open the bus again', async () => {
    const path = await createBus();
    await pastTick();
    const reader = startReader(path);
    expect(await reader.ask('read')).toEqual({ result: ['one'] });
    const before = await reader.ask('version');
    expect(await reader.ask('version')).toEqual(before);
    await append(path, 'two');
    expect(await reader.ask('version')).not.toEqual(before);
    expect(await reader.ask('read')).toEqual({ result: ['one', 'two'] });
    await append(path, 'three');
    expect(await reader.ask('read')).toEqual({ result: ['one', 'two', 'three'] });
  });

  test('sees each commit of a writer that comes while it reads, stays, and goes', async () => {
    const path = await createBus();
    const reader = startReader(path);
    expect(await reader.ask('read')).toEqual({ result: ['one'] });
    const writer = await asManager(path, () => openSqliteLog(path));
    for (const [n, text] of ['two', 'three', 'four'].entries()) {
      const before = await reader.ask('version');
      await asManager(path, () => writer.append('s', n + 1, Buffer.from(text)));
      expect(await reader.ask('version')).not.toEqual(before);
      expect((await reader.ask('read')).result).toHaveLength(n + 2);
    }
    await asManager(path, () => writer.close());
    await append(path, 'five');
    expect(await reader.ask('read')).toEqual({ result: ['one', 'two', 'three', 'four', 'five'] });
  });

  test('reads what a writer left that was killed', async () => {
    const path = await createBus();
    const acknowledged = await appendUntilKilled(path);
    expect(readdirSync(dirname(path))).toContain('bus.db-wal');
    const { result } = await startReader(path).ask('read');
    expect(result).toEqual(expect.arrayContaining(['one', ...acknowledged]));
  });

  test('is told what to do when a journal cannot be read, and reads on when it is done', async () => {
    const path = await createBus();
    const reader = startReader(path);
    expect(await reader.ask('read')).toEqual({ result: ['one'] });
    const acknowledged = await appendUntilKilled(path);
    await asManager(path, async () => rmSync(`${path}-shm`));
    const refusal = { code: 'CERTBUS_STORE_READ_ONLY', message: expect.stringContaining('Run any command on it once') };
    expect(await reader.ask('read')).toMatchObject(refusal);
    expect(await startReader(path).ask('read')).toMatchObject(refusal);
    await append(path, 'last');
    const { result } = await reader.ask('read');
    expect(result).toEqual(expect.arrayContaining(['one', ...acknowledged, 'last']));
  });

  test('reads on when somebody changes the journal mode', async () => {
    const path = await createBus();
    const reader = startReader(path);
    for (const mode of ['wal', 'delete', 'wal', 'delete']) {
      await asManager(path, async () => {
        const database = new DatabaseSync(path);
        database.exec(`PRAGMA journal_mode = ${mode}`);
        database.close();
      });
      expect(await reader.ask('read')).toEqual({ result: ['one'] });
    }
  });

  test.skipIf(!isRoot)(
    'never sees a torn or shortened log while a writer comes and goes as fast as it can',
    async () => {
      const path = await createBus();
      rmSync(path);
      const write = async (after: number, texts: string[]) => {
        const log = await openSqliteLog(path, { create: true });
        for (const [n, text] of texts.entries()) await log.append('s', after + n, Buffer.from(text));
        await log.close();
        chownSync(path, 0, NOBODY);
      };
      const text = (position: number) => String(position).repeat(1_000);
      await write(0, [text(1)]);
      const reader = startReader(path);
      expect(await reader.ask('read')).toEqual({ result: [text(1)] });
      const watch = reader.ask('watch');
      let head = 1;
      for (let looked = 0; head < 1_500 || looked <= 20; looked = reader.seen(), head += 3) {
        // One that had few turns next to a writer that is faster is waited for.
        if (head > 1_500) await until(() => reader.seen() > looked);
        await write(
          head,
          [1, 2, 3].map((n) => text(head + n)),
        );
      }
      await write(head, ['last']);
      const { result, message } = await watch;
      expect(message).toBeUndefined();
      expect((result as number[]).length).toBeGreaterThan(20);
      expect((result as number[]).at(-1)).toBe(head + 1);
    },
  );
});
