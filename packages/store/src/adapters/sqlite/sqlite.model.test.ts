import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { sized } from 'certbus-services/vitest';
import { afterAll, expect, test } from 'vitest';
import { FEWEST, runModel } from '../model.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const folder = temporaryFolder();

afterAll(() => folder.remove());

test('random sequences of commands leave a SQLite log and a plain list the same', { tags: 'full' }, async () => {
  const wanted = sized({ small: 50, full: 1_000 });
  const path = join(folder.path, 'bus.db');
  const open = () => openSqliteLog(path, { create: true });
  const { sequences, counts } = await runModel({ open, sequences: wanted });
  expect(sequences.length).toBeGreaterThanOrEqual(wanted);
  expect(Math.min(...sequences)).toBeGreaterThanOrEqual(FEWEST);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(wanted);
});
