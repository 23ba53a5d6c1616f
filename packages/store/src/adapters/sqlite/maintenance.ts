/** What an operator does to a stream in a bus file: trim, replace, inspect. */
import { VersionConflictError } from '../../errors.ts';
import type { LogEntry, LogMaintenance, ReplaceOptions } from '../../log.ts';
import { checkRead, checkReplace } from '../checks.ts';
import type { SqliteConnection } from './connection.ts';
import { changeFile, type OpenLog, queryFile } from './open-log.ts';
import { bytesAt, commitsBehind, firstOf, isSame, transaction } from './streams.ts';

/** How many commits one step of {@link inspect} reads. */
const STEP = 150;
/** How many commits one transaction removes. */
const TRIM_STEP = 1_000;

function hasBefore({ database }: SqliteConnection, stream: string, first: number): boolean {
  const select = database.prepare('SELECT 1 FROM commits WHERE stream = ? AND position < ? LIMIT 1');
  return select.get(stream, first) !== undefined;
}

/** Removes a step's worth of commits before `first`; false when none was left. */
function trimStep(connection: SqliteConnection, stream: string, first: number): boolean {
  const { database } = connection;
  let count = 0;
  transaction(connection, stream, first, () => {
    if (first <= firstOf(connection, stream) && !hasBefore(connection, stream, first)) return;
    if (!bytesAt(connection, stream, first)) throw new VersionConflictError(stream, first);
    database
      .prepare(
        'INSERT INTO streams VALUES (?, ?) ON CONFLICT (stream) DO UPDATE SET first = max(first, excluded.first)',
      )
      .run(stream, first);
    const remove = database.prepare(
      'DELETE FROM commits WHERE rowid IN (SELECT rowid FROM commits WHERE stream = ? AND position < ? LIMIT ?)',
    );
    count = Number(remove.run(stream, first, TRIM_STEP).changes);
  });
  return count === TRIM_STEP;
}

function replace(
  connection: SqliteConnection,
  stream: string,
  position: number,
  { found, bytes }: ReplaceOptions,
): void {
  const { database } = connection;
  transaction(connection, stream, position, () => {
    const there = bytesAt(connection, stream, position);
    if (isSame(there, bytes)) return;
    if (!isSame(there, found)) throw new VersionConflictError(stream, position, there);
    database.prepare('DELETE FROM commits WHERE stream = ? AND position = ?').run(stream, position);
    if (bytes) connection.insert.run(stream, position, bytes);
  });
}

function correctFirst(connection: SqliteConnection, stream: string, first: number): void {
  const { database } = connection;
  transaction(connection, stream, first, () => {
    database.prepare('DELETE FROM streams WHERE stream = ?').run(stream);
    if (first > 1) database.prepare('INSERT INTO streams VALUES (?, ?)').run(stream, first);
  });
}

async function* inspect(
  log: OpenLog,
  stream: string,
  after: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly LogEntry[]> {
  checkRead(after, STEP);
  for (let reached = after; ; ) {
    const entries = await queryFile(log, signal, (connection) => commitsBehind(connection, stream, reached, STEP));
    const last = entries.at(-1);
    if (!last) return;
    reached = last.position;
    yield entries;
  }
}

/** The maintenance of a log in a bus file. */
export function createMaintenance(log: OpenLog): LogMaintenance {
  return {
    async trim(stream, first, { signal } = {}) {
      checkRead(first, 1);
      // Step by step, so that no writer waits for long; the first step writes where the stream begins.
      while (await changeFile(log, signal, (connection) => trimStep(connection, stream, first)));
    },
    async replace(stream, position, options) {
      checkReplace(stream, position, options.bytes);
      await changeFile(log, options.signal, (connection) => replace(connection, stream, position, options));
    },
    async first(stream, { signal } = {}) {
      return queryFile(log, signal, (connection) => firstOf(connection, stream));
    },
    async correctFirst(stream, first, { dryRun = false, signal } = {}) {
      checkRead(first, 1);
      const found = await queryFile(log, signal, (connection) => firstOf(connection, stream));
      if (found === first) return false;
      if (!dryRun) await changeFile(log, signal, (connection) => correctFirst(connection, stream, first));
      return true;
    },
    inspect: (stream, after, { signal } = {}) => inspect(log, stream, after, signal),
  };
}
