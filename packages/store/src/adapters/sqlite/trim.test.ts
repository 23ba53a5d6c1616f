import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, test } from 'vitest';
import { openSqliteLog } from './sqlite.ts';

test('a trim of many commits lets writers in between its steps', async () => {
  const folder = temporaryFolder();
  const path = join(folder.path, 'bus.db');
  const log = await openSqliteLog(path, { create: true });
  for (let after = 0; after < 2_500; after += 1) await log.append('s', after, Buffer.from(`c${after + 1}`));
  const other = await openSqliteLog(path);
  const trimming = log.maintenance?.trim('s', 2_500);
  expect(await other.append('s', 2_500, Buffer.from('meanwhile'))).toBe(2_501);
  await trimming;
  expect((await other.read('s', 2_499)).commits).toHaveLength(2);
  await log.close();
  await other.close();
  folder.remove();
});
