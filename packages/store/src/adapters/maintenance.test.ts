import { join } from 'node:path';
import { temporaryFolder } from 'certbus-testing';
import { afterAll, describe, expect, test } from 'vitest';
import { describeMaintenance } from './maintenance.builders.ts';
import { openMemoryLog } from './memory.ts';
import { openSqliteLog } from './sqlite.ts';

const folder = temporaryFolder();
let logs = 0;
afterAll(() => folder.remove());

describe('maintenance in memory', () => {
  describeMaintenance(async () => {
    logs += 1;
    const name = `maintenance-${logs}`;
    return { log: openMemoryLog(name), reopen: async () => openMemoryLog(name) };
  });
});

describe('maintenance in SQLite', () => {
  const open = async () => {
    logs += 1;
    const path = join(folder.path, `bus${logs}.db`);
    return { log: await openSqliteLog(path, { create: true }), reopen: () => openSqliteLog(path) };
  };
  describeMaintenance(open);

  test('a trim of many commits lets writers in between its steps', async () => {
    const { log, reopen } = await open();
    for (let after = 0; after < 2_500; after += 1) await log.append('s', after, Buffer.from(`c${after + 1}`));
    const other = await reopen();
    const trimming = log.maintenance?.trim('s', 2_500);
    expect(await other.append('s', 2_500, Buffer.from('meanwhile'))).toBe(2_501);
    await trimming;
    expect((await other.read('s', 2_499)).commits).toHaveLength(2);
    await log.close();
    await other.close();
  });
});
