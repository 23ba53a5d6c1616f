/** What an operator does to a stream in a bus file: trim, replace, inspect. */
import { VersionConflictError } from '../../errors.ts';
import type { LogEntry, LogMaintenance, ReplaceOptions } from '../../log.ts';
import { withinPage } from '../../page-size.ts';
import { checkRead, checkReplace } from '../checks.ts';
import type { SqliteConnection } from './connection.ts';
import { changeFile, type OpenLog, queryFile } from './open-log.ts';
import { REMOVE_STRAY, toRows } from './rows.ts';
import { bytesAt, firstInFile, firstOf, isSame, rowAt, transaction } from './streams.ts';

/** How many rows one step of {@link inspect} reads. */
const STEP = 150;
/** How {@link inspect} names a row that is at no position. */
const STRAY = /^row (-?\d{1,19})$/;
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
    const row = rowAt(connection, stream, position);
    const there = row?.bytes;
    if (isSame(there, bytes) && (there || !row)) return;
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

/** Rows at no position, by their own order: SQLite sorts some of them before every position, and others behind. */
async function* inspectStrays(
  log: OpenLog,
  stream: string,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly LogEntry[]> {
  for (let reached: string | null = null; ; ) {
    const rows = await queryFile(log, signal, (connection) =>
      connection.rows.selectStrays.all(stream, reached, reached, STEP),
    );
    const last = rows.at(-1);
    if (!last) return;
    reached = String(last['id']);
    yield rows.map(({ id }) => ({ stray: `row ${String(id)}` }));
  }
}

async function* inspect(
  log: OpenLog,
  stream: string,
  after: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly LogEntry[]> {
  checkRead(after, STEP);
  if (after === 0) yield* inspectStrays(log, stream, signal);
  for (let reached = after; ; ) {
    const rows = await queryFile(log, signal, ({ rows }) => [
      ...withinPage(toRows(rows.selectPlaced.iterate(stream, reached, STEP))),
    ]);
    const entries = rows.flatMap(({ position, bytes }) => (position === undefined ? [] : [{ position, bytes }]));
    const last = entries.at(-1);
    if (!last) return;
    reached = last.position;
    yield entries;
  }
}

function removeStray(connection: SqliteConnection, stream: string, stray: string): void {
  const [, id] = STRAY.exec(stray) ?? [];
  if (id === undefined) throw new TypeError(`${stray} is not a row at no position`);
  transaction(connection, stream, 0, () => void connection.database.prepare(REMOVE_STRAY).run(id));
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
      return (await queryFile(log, signal, (connection) => firstInFile(connection, stream))) ?? 1;
    },
    async correctFirst(stream, first, { dryRun = false, signal } = {}) {
      checkRead(first, 1);
      const found = await queryFile(log, signal, (connection) => firstInFile(connection, stream));
      if (found === first) return false;
      if (!dryRun) await changeFile(log, signal, (connection) => correctFirst(connection, stream, first));
      return true;
    },
    inspect: (stream, after, { signal } = {}) => inspect(log, stream, after, signal),
    async removeStray(stream, stray, { signal } = {}) {
      await changeFile(log, signal, (connection) => removeStray(connection, stream, stray));
    },
  };
}
