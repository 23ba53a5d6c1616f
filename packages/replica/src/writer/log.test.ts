import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openToRead, openToWrite } from './file.ts';
import { emptyLogWhenQuiet } from './log.ts';

const folder = mkdtempSync(join(tmpdir(), 'certbus-log-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test('the log of a replica is empty a few seconds after the last write, once nobody reads what the file was before', () => {
  const path = join(folder, 'replica.db');
  const busId = 'b'.repeat(43);
  const { database } = openToWrite({ path, busId, role: 'manager' }, 'test');
  const log = emptyLogWhenQuiet(database);
  const size = () => statSync(`${path}-wal`).size;
  const reader = openToRead(path, busId);
  reader.exec('BEGIN');
  reader.prepare('SELECT * FROM bus').get();
  database.exec("UPDATE bus SET holder = 'another'");
  log.touch();
  expect(size()).toBeGreaterThan(0);
  vi.advanceTimersByTime(5_000);
  expect(size()).toBeGreaterThan(0);
  reader.exec('COMMIT');
  vi.advanceTimersByTime(5_000);
  expect(size()).toBe(0);
  log.stop();
  reader.close();
  database.close();
});
