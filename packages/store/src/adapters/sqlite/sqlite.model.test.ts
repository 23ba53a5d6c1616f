import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { FEWEST, runModel } from '../model.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const folder = temporaryFolder();

afterAll(() => folder.remove());

test('1,000 random sequences of commands leave a SQLite log and a plain list the same', async () => {
  const path = join(folder.path, 'bus.db');
  const open = () => openSqliteLog(path, { create: true });
  const { sequences, counts } = await runModel({ open, sequences: 1_000 });
  expect(sequences.length).toBeGreaterThanOrEqual(1_000);
  expect(Math.min(...sequences)).toBeGreaterThanOrEqual(FEWEST);
  expect(Math.min(...Object.values(counts))).toBeGreaterThan(1_000);
});
