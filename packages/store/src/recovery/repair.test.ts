import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { type Checkpoint, signRootEvent } from '@certbus/events/history';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeEach, expect, test } from 'vitest';
import { createMemoryLog } from '../adapters/memory.ts';
import { openExportFile } from '../adapters/places/export-file.ts';
import { BAD_ROWS, putBadRow } from '../adapters/sqlite/bad-rows.builders.ts';
import { openSqliteLog } from '../adapters/sqlite/sqlite.ts';
import {
  beginBus,
  type Keys,
  readPositions,
  removed,
  withOtherEncoding,
  writeCommits,
  writeForged,
} from '../bus.builders.ts';
import { openBus } from '../bus.ts';
import { follow } from '../follow.ts';
import type { Log, LogMaintenance } from '../log.ts';
import { exportBus } from './backup.ts';
import { type Repaired, type RepairOptions, repair } from './repair.ts';

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
  checkpoints = await writeCommits(log, { keys, count: 399 });
  const file = await openExportFile(path, { create: true });
  await exportBus(openBus(log, 'test', keys), file);
  await file.close();
});
afterAll(() => folder.remove());

const maintenance = () => log.maintenance as LogMaintenance;
const bus = () => openBus(log, 'test', keys);

async function bytesAt(position: number): Promise<Uint8Array> {
  const { commits } = await log.read('test', position - 1, { limit: 1 });
  return commits[0]?.bytes as Uint8Array;
}

/** What somebody does who can write to the store, but has no key. */
async function overwrite(position: number, text: string | undefined): Promise<void> {
  const bytes = text === undefined ? undefined : Buffer.from(text);
  await maintenance().replace('test', position, { found: await bytesAt(position), bytes });
}

async function runRepair(options: Partial<RepairOptions> = {}, on = log): Promise<Repaired> {
  const file = await openExportFile(path);
  try {
    return await repair(file, on, { stream: 'test', trust: keys.trust, ...options });
  } finally {
    await file.close();
  }
}

test("behind the export a signature that is not its manager's ends what is good", async () => {
  const from = checkpoints.at(-1) as Checkpoint;
  const position = await writeForged(log, { keys, from });
  const found = await runRepair({ dryRun: true });
  expect(found).toMatchObject({ dropped: [position, position + 1], checkpoint: from });
});

test.each([1, 2, 200, 400])('position %s, overwritten, is put back, and followers go on', async (position) => {
  const good = await bytesAt(position);
  await overwrite(position, 'forged');
  await expect(readPositions(bus())).rejects.toMatchObject({ position });
  const { replaced, dropped, checkpoint } = await runRepair();
  expect({ replaced, dropped, checkpoint }).toEqual({
    replaced: [position],
    dropped: [],
    checkpoint: checkpoints.at(-1),
  });
  expect(await bytesAt(position)).toEqual(good);
  expect(await readPositions(bus())).toHaveLength(400);
});

test.each([1, 200, 400])(
  'position %s with its signature in another encoding is refused by a newcomer, and put back',
  async (position) => {
    const good = await bytesAt(position);
    await maintenance().replace('test', position, { found: good, bytes: withOtherEncoding(good) });
    await expect(readPositions(bus())).rejects.toMatchObject({ position, code: 'CERTBUS_EVENTS_COMMIT_MALFORMED' });
    expect(await runRepair()).toMatchObject({ replaced: [position], dropped: [] });
    expect(await bytesAt(position)).toEqual(good);
  },
);

test('what was cut off is put back, and what was appended since the export stays', async () => {
  const { checkpoint } = await bus().append(checkpoints.at(-1) as Checkpoint, [removed('since')], { at: new Date() });
  await overwrite(77, 'forged');
  expect(await runRepair()).toMatchObject({ replaced: [77], dropped: [], checkpoint });
  for (let position = 401; position > 390; position -= 1) await overwrite(position, undefined);
  const { replaced } = await runRepair();
  expect(replaced).toEqual([391, 392, 393, 394, 395, 396, 397, 398, 399, 400]);
  expect(await readPositions(bus())).toHaveLength(400);
});

test.each(BAD_ROWS)('%s in a SQLite bus is removed by a repair', async (kind) => {
  const busFile = join(folder.path, `bus${files}.db`);
  const sqlite = await openSqliteLog(busFile, { create: true });
  const { commits } = await log.read('test', 0, { limit: 400 });
  for (const { position, bytes } of commits.slice(0, 20)) await sqlite.append('test', position - 1, bytes);
  path = join(folder.path, `part${files}`);
  const file = await openExportFile(path, { create: true });
  await exportBus(openBus(sqlite, 'test', keys), file);
  await file.close();
  for (const position of [1, 11, 20, 22]) putBadRow(busFile, kind, 'test', position);
  await runRepair({ dropTail: true }, sqlite);
  expect(await readPositions(openBus(sqlite, 'test', keys))).toHaveLength(20);
  expect(await runRepair({}, sqlite)).toMatchObject({ replaced: [], dropped: [], strays: 0, first: undefined });
  await sqlite.close();
});

test('a dry run says what is wrong and changes nothing', async () => {
  await overwrite(9, 'forged');
  await overwrite(10, 'forged');
  expect((await runRepair({ dryRun: true })).replaced).toEqual([9, 10]);
  expect(Buffer.from(await bytesAt(9)).toString()).toBe('forged');
});

test('what is wrong behind the export is left and named, and removed when that is asked for', async () => {
  const { checkpoint } = await bus().append(checkpoints.at(-1) as Checkpoint, [removed('good')], { at: new Date() });
  await log.append('test', 401, Buffer.from('forged'));
  await log.append('test', 402, Buffer.from('forged too'));
  await expect(runRepair()).rejects.toMatchObject({
    code: 'CERTBUS_STORE_EXPORT_REFUSED',
    message: expect.stringContaining('begins at 402'),
  });
  expect((await runRepair({ dryRun: true })).dropped).toEqual([402, 403]);
  expect(await runRepair({ dropTail: true })).toMatchObject({ dropped: [402, 403], checkpoint });
  expect(await readPositions(bus())).toHaveLength(401);
});

test('a repair that was interrupted is completed by the next one', async () => {
  for (const position of [5, 6, 7]) await overwrite(position, 'forged');
  let left = 2;
  const failing: Log = {
    ...log,
    maintenance: {
      ...maintenance(),
      async replace(...call) {
        left -= 1;
        if (left < 0) throw new Error('power cut');
        return maintenance().replace(...call);
      },
    },
  };
  await expect(runRepair({}, failing)).rejects.toThrow('power cut');
  expect((await runRepair()).replaced).toEqual([7]);
});

test('somebody who writes at the same time is not overwritten', async () => {
  await overwrite(5, 'forged');
  let reads = 0;
  const racing: Log = {
    ...log,
    maintenance: {
      ...maintenance(),
      async *inspect(...call) {
        for await (const entries of maintenance().inspect(...call)) {
          reads += 1;
          await overwrite(5, `forged again, ${reads}`);
          yield entries;
        }
      },
    },
  };
  await expect(runRepair({}, racing)).rejects.toMatchObject({ code: 'CERTBUS_STORE_VERSION_CONFLICT', position: 5 });
});

test('a trimmed log is repaired from where it begins', async () => {
  const hash = checkpoints[298]?.hash ?? '';
  const range = { type: 'RangeArchived' as const, first: 1, last: 299, hash, manifest: hash, place: 'archive' };
  await bus().append(checkpoints.at(-1) as Checkpoint, [range], { at: new Date() });
  await maintenance().trim('test', 300);
  await overwrite(350, 'forged');
  expect((await runRepair()).replaced).toEqual([350]);
});

test('what was trimmed, though no event in the history archived it, is put back', async () => {
  await maintenance().trim('test', 300);
  expect((await runRepair()).replaced).toHaveLength(299);
  expect(await maintenance().first('test')).toBe(1);
});

test.each([1_000, 401, 2, -5])(
  'a SQLite file forged to begin at %s is put right, and followers go on',
  async (forged) => {
    const place = join(folder.path, `forged${files}.db`);
    const file = await openSqliteLog(place, { create: true });
    const thief = new DatabaseSync(place);
    thief.exec('BEGIN');
    const insert = thief.prepare("INSERT INTO commits VALUES ('test', ?, ?)");
    for (const { position, bytes } of (await log.read('test', 0, { limit: 400 })).commits) insert.run(position, bytes);
    thief.prepare("INSERT INTO streams VALUES ('test', ?)").run(forged);
    thief.exec('COMMIT');
    thief.close();

    const sqlite = openBus(file, 'test', keys);
    const [end, signal] = [checkpoints.at(-1) as Checkpoint, AbortSignal.timeout(300_000)];
    if (forged > 401) await expect(follow(sqlite, end, { signal }).next()).rejects.toThrow('begins at position 1000');
    const said = { replaced: [], dropped: [], first: 1 };
    expect(await runRepair({ dryRun: true }, file)).toMatchObject(said);
    expect(await runRepair({}, file)).toMatchObject(said);
    expect(await runRepair({}, file)).toMatchObject({ ...said, first: undefined });
    const { value } = await follow(sqlite, end, { signal }).next();
    expect(value).toMatchObject({ commits: [], live: true });
    await file.maintenance?.trim('test', 100);
    await expect(readPositions(sqlite)).rejects.toMatchObject({ first: 100 });
    await file.close();
  },
);

test('a log that somebody filled up behind its end is emptied there, step by step', async () => {
  for (let after = 400; after < 1_400; after += 1) await log.append('test', after, Buffer.from(`forged ${after}`));
  expect((await runRepair({ dropTail: true })).dropped).toHaveLength(1_000);
  expect(await readPositions(bus())).toHaveLength(400);
});

test('an export of a line that the root has left does not undo the restore', async () => {
  for (let position = 400; position > 390; position -= 1) await overwrite(position, undefined);
  const from = checkpoints[389] as Checkpoint;
  const { position, hash } = from;
  const event = { type: 'BusRestored', position, hash: hash ?? '' } as const;
  const said = signRootEvent(keys.root, keys.trust.busId, from.rootSequence + 100, event);
  await openBus(log, 'test', { ...keys, signer: keys.root }).append(from, [said], { at: new Date() });
  await overwrite(7, 'forged');
  const refused = { code: 'CERTBUS_STORE_EXPORT_REFUSED', message: expect.stringContaining('restore') };
  for (const dryRun of [true, false]) await expect(runRepair({ dryRun })).rejects.toMatchObject(refused);
  expect(Buffer.from(await bytesAt(7)).toString()).toBe('forged');
});

test('an empty file repairs nothing', async () => {
  await writeFile(path, '');
  await expect(runRepair({ dropTail: true })).rejects.toMatchObject({ code: 'CERTBUS_STORE_EXPORT_REFUSED' });
});

test('a store that cannot replace says what to do', async () => {
  const { maintenance: _, ...plain } = log;
  await expect(runRepair({}, plain)).rejects.toMatchObject({ code: 'CERTBUS_STORE_UNSUPPORTED' });
});
