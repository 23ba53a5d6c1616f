import { DatabaseSync } from 'node:sqlite';
import type { StoredCommit } from '@certbus/store';
import { openSqliteLog } from '@certbus/store/sqlite';

const STEP = 2_000;

/** Makes a SQLite bus of ready commits, many a transaction: a year of work, not a measurement of appends. */
export async function writeBus(path: string, stream: string, commits: Iterable<StoredCommit>): Promise<void> {
  await (await openSqliteLog(path, { create: true })).close();
  const database = new DatabaseSync(path);
  database.exec('PRAGMA synchronous = OFF; BEGIN');
  const insert = database.prepare('INSERT INTO commits (stream, position, bytes) VALUES (?, ?, ?)');
  for (const { position, bytes } of commits) {
    insert.run(stream, position, bytes);
    if (position % STEP === 0) database.exec('COMMIT; BEGIN');
  }
  database.exec('COMMIT');
  database.close();
}
