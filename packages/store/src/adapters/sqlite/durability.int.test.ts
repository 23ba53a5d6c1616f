/**
 * Tests that an append is on the disk before it is acknowledged. A process that is killed cannot show that: what it wrote is the kernel's,
 * and is there afterwards whether it was flushed or not. What the kernel was asked, and in which order, shows it.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { connectSqlite } from './connection.ts';
import { pragma, startTracedWriter } from './processes.builders.ts';
import { openSqliteLog } from './sqlite.ts';

const strace = requirePart('strace');
const folder = temporaryFolder();
afterAll(() => folder.remove());

/** A line of a trace: which call, on which file, and the rest of what it was given. */
const CALL = /^(\w+)\(\d+<([^>]*)>(.*)$/;

/** The files of a bus that were written and not flushed, at each acknowledgement of an append; and how many had been written to. */
function unflushedAtAcknowledgements(trace: string, bus: string) {
  const dirty = new Set<string>();
  const found: { readonly written: number; readonly unflushed: readonly string[] }[] = [];
  let written = 0;
  for (const line of trace.split('\n')) {
    const [, call = '', file = '', rest = ''] = CALL.exec(line) ?? [];
    if (call.includes('sync')) {
      // One that failed has flushed nothing.
      if (rest.endsWith('= 0')) dirty.delete(file);
    } else if (file.startsWith(bus) && !file.endsWith('-shm')) {
      dirty.add(file);
      written += 1;
    } else if (rest.includes('acknowledged')) {
      found.push({ written, unflushed: [...dirty] });
      written = 0;
    }
  }
  return found;
}

describe.each(['wal', 'delete'])('in journal mode %s', (mode) => {
  test.skipIf(strace.skip)(
    strace.title('every append is written and then flushed, by the kernel asked for it, before it is acknowledged'),
    async () => {
      const path = join(folder.path, `${mode}.db`);
      await (await openSqliteLog(path, { create: true })).close();
      expect(pragma(path, `journal_mode = ${mode}`)).toBe(mode);
      const trace = `${path}.trace`;
      const writer = startTracedWriter(path, 'traced', { most: 20, trace });
      await writer.ended;
      expect(writer.acknowledged(), writer.complaint()).toHaveLength(20);
      const found = unflushedAtAcknowledgements(readFileSync(trace, 'utf8'), path);
      expect(found).toHaveLength(20);
      for (const { written, unflushed } of found) {
        expect(written).toBeGreaterThan(0);
        expect(unflushed).toEqual([]);
      }
    },
  );
});

test('the connection that writes flushes each commit', async () => {
  const path = join(folder.path, 'connection.db');
  await (await openSqliteLog(path, { create: true })).close();
  const { database } = connectSqlite(path, { create: false });
  // FULL; as SQLite says it.
  expect(database.prepare('PRAGMA synchronous').get()).toEqual({ synchronous: 2 });
  database.close();
});
