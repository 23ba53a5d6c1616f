import { appendFileSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sha256 } from '@certbus/events';
import { BEGINNING, type Checkpoint } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { openExportFile } from '../adapters/places/export-file.ts';
import { openSqliteLog } from '../adapters/sqlite/sqlite.ts';
import {
  beginBus,
  createKeys,
  type Keys,
  readPositions,
  readStream,
  removed,
  withOtherEncoding,
  writeCommits,
  writeForged,
} from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import type { Log } from '../log.ts';
import { exportBus, importBus } from './backup.ts';

const folder = temporaryFolder();
let files = 0;
let path: string;
let log: Log;
let keys: Keys;
let checkpoints: Checkpoint[];

beforeEach(async () => {
  files += 1;
  path = join(folder.path, `export${files}`);
  log = createMemoryLog();
  ({ keys } = await beginBus(log));
  checkpoints = await writeCommits(log, { keys, count: 400 });
});
afterAll(() => folder.remove());

const bus = () => openBus(log, 'test', keys);
const last = () => checkpoints.at(-1) as Checkpoint;

async function writeExport(from = bus()): Promise<Checkpoint> {
  const file = await openExportFile(path, { create: true });
  try {
    return await exportBus(from, file);
  } finally {
    await file.close();
  }
}

async function readExport(into: Log, trust = keys.trust): Promise<Checkpoint> {
  const file = await openExportFile(path);
  try {
    return await importBus(file, async () => into, { stream: 'new', trust });
  } finally {
    await file.close();
  }
}

async function textsOf(from: Log, stream: string): Promise<string[]> {
  return (await readStream(from, stream)).map(({ bytes }) => Buffer.from(bytes).toString());
}

test('an export holds the whole bus, and an import of it is the same bus, byte for byte', async () => {
  expect(await writeExport()).toEqual(last());
  const fresh = await openSqliteLog(join(folder.path, 'import.db'), { create: true });
  expect(await readExport(fresh)).toEqual(last());
  expect(await textsOf(fresh, 'new')).toEqual(await textsOf(log, 'test'));
  await fresh.close();
});

test("a signature that is not its manager's is in no export, and an export that has it is not imported", async () => {
  const position = await writeForged(log, { keys, from: last() });
  await expect(writeExport()).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_SIGNATURE_INVALID', position });
  const { commits } = await log.read('test', 0, { limit: 1_000 });
  rmSync(path);
  const file = await openExportFile(path, { create: true });
  await file.append(commits);
  await file.close();
  await expect(readExport(createMemoryLog())).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_REFUSED',
    message: expect.stringContaining(`Commit ${position} refused: its signature`),
  });
});

test('the file of an export is for this user only', async () => {
  await writeExport();
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('an export whose last signature is in another encoding is refused', async () => {
  const { commits } = await log.read('test', 0, { limit: 401 });
  const file = await openExportFile(path, { create: true });
  const changed = commits.map((commit) =>
    commit.position === 401 ? { ...commit, bytes: withOtherEncoding(commit.bytes) } : commit,
  );
  await file.append(changed);
  await file.close();
  await expect(readExport(createMemoryLog())).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_REFUSED',
    message: expect.stringContaining('Commit 401 refused'),
  });
});

test('a second export adds what is new, and nothing else', async () => {
  await writeExport();
  const before = readFileSync(path);
  const { checkpoint } = await bus().append(last(), [removed('more')], { at: new Date() });
  expect(await writeExport()).toEqual(checkpoint);
  expect(readFileSync(path).subarray(0, before.length)).toEqual(before);
  expect((await readExport(createMemoryLog())).position).toBe(402);
});

test.each([1, 9, 40, 2_000])('an export that was cut off %s bytes before its end is taken up', async (bytes) => {
  await writeExport();
  const whole = readFileSync(path);
  truncateSync(path, whole.length - bytes);
  await expect(readExport(createMemoryLog())).rejects.toMatchObject({ code: 'CERTBUS_STORE_EXPORT_REFUSED' });
  await writeExport();
  expect((await readExport(createMemoryLog())).position).toBe(401);
});

test('a damaged export is refused, and nothing is written', async () => {
  await writeExport();
  const whole = readFileSync(path);
  for (const at of [3, 20, Math.floor(whole.length / 2), whole.length - 5]) {
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ 0xff;
    writeFileSync(path, bytes);
    const into = createMemoryLog();
    await expect(readExport(into)).rejects.toMatchObject({ code: 'CERTBUS_STORE_EXPORT_REFUSED' });
    expect(await textsOf(into, 'new')).toEqual([]);
  }
  writeFileSync(path, whole);
  appendFileSync(path, 'and something else');
  await expect(readExport(createMemoryLog())).rejects.toMatchObject({ code: 'CERTBUS_STORE_EXPORT_REFUSED' });
});

test('an export of another bus is refused with the position', async () => {
  await writeExport();
  const { trust } = await createKeys();
  await expect(readExport(createMemoryLog(), trust)).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_REFUSED',
    message: expect.stringContaining('Commit 1 '),
  });
});

test('an import that was interrupted is taken up; a stream that holds something else is left as it is', async () => {
  await writeExport();
  const into = createMemoryLog();
  let left = 250;
  const failing: Log = {
    ...into,
    async append(...call) {
      left -= 1;
      if (left < 0) throw new Error('power cut');
      return into.append(...call);
    },
  };
  await expect(readExport(failing)).rejects.toThrow('power cut');
  expect(await textsOf(into, 'new')).toHaveLength(250);
  expect((await readExport(into)).position).toBe(401);
  const foreign = createMemoryLog();
  await foreign.append('new', 0, Buffer.from('something else'));
  await expect(readExport(foreign)).rejects.toMatchObject({
    message: expect.stringContaining('something else at position 1'),
  });
  expect(await textsOf(foreign, 'new')).toEqual(['something else']);
});

test('an export refuses a bus that went another way since, and keeps what it has', async () => {
  await writeExport();
  const before = readFileSync(path);
  const shorter = createMemoryLog();
  const { commits } = await log.read('test', 0, { limit: 100 });
  for (const { position, bytes } of commits) await shorter.append('test', position - 1, bytes);
  await expect(writeExport(openBus(shorter, 'test', keys))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_HISTORY_FORKED',
  });
  expect(readFileSync(path)).toEqual(before);
  expect(await readPositions(openBus(shorter, 'test', keys))).toHaveLength(100);
});

test('commits of the largest size make blocks that can be opened again', async () => {
  const large = createMemoryLog();
  const made = await beginBus(large);
  ({ keys } = made);
  let { checkpoint } = await made.bus.read(BEGINNING);
  const der = Buffer.alloc(200_000, 7);
  const issuer = { type: 'IssuerAdded', hash: sha256(der), certificate: der.toString('base64') } as const;
  for (let n = 0; n < 60; n += 1) ({ checkpoint } = await made.bus.append(checkpoint, [issuer], { at: new Date() }));
  expect(await writeExport(made.bus)).toEqual(checkpoint);
  expect(await readExport(createMemoryLog())).toEqual(checkpoint);
});
