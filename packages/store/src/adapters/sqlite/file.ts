/** A bus file for as long as a log has it open: opens it again where that is needed. */
import { connectSqlite, type SqliteConnection } from './connection.ts';
import { changedMeanwhile, isRefused } from './errors.ts';
import { stateOf, unlessChanged } from './state.ts';

/** A bus file for as long as a log has it open, through one connection after another where that is needed. */
export interface SqliteFile {
  /** Which file it is: that of every connection. */
  readonly file: string | undefined;
  /** The connection of this moment, to write on. */
  connection(): SqliteConnection;
  /** Runs a query on the file as it is now; where {@link isBusy} is true of what it throws, it can be tried again. */
  read<T>(query: (connection: SqliteConnection) => T): T;
  /** Differs after any write by another connection. */
  version(): number;
  close(): void;
}

/** The connection of this moment, and what was seen through it. */
interface Current {
  readonly path: string;
  connection: SqliteConnection;
  /** How many connections there have been. */
  opened: number;
  version: number;
  /** The state of the file at the last look for its version. */
  seen: string;
}

function reopen(current: Current): void {
  const next = connectSqlite(current.path, { create: false });
  if (next.file !== current.connection.file) {
    next.database.close();
    throw changedMeanwhile();
  }
  current.connection.database.close();
  current.connection = next;
  current.opened += 1;
}

/** Runs a query on one state of the file, once its tables were looked at in the same one. */
function queryTables<T>({ connection }: Current, query: (connection: SqliteConnection) => T): T {
  const { database } = connection;
  database.exec('BEGIN');
  try {
    connection.checkTables();
    return query(connection);
  } finally {
    if (database.isTransaction) database.exec('COMMIT');
  }
}

function readNow<T>(current: Current, query: (connection: SqliteConnection) => T): T {
  const { path } = current;
  if (current.connection.shows === undefined) return queryTables(current, query);
  const state = stateOf(path);
  if (current.connection.shows !== state) reopen(current);
  if (current.connection.shows === undefined) return queryTables(current, query);
  const result = unlessChanged(path, state, () => queryTables(current, query));
  if (stateOf(path) !== state) throw changedMeanwhile();
  return result;
}

function read<T>(current: Current, query: (connection: SqliteConnection) => T): T {
  try {
    return readNow(current, query);
  } catch (error) {
    if (current.connection.shows !== undefined || !isRefused(error)) throw error;
    // Somebody changed the journal mode, and a user who may only read has to open the file in another way.
    reopen(current);
    return readNow(current, query);
  }
}

function versionOf(current: Current): number {
  const { shows, dataVersion } = current.connection;
  const now = shows === undefined ? `${current.opened}:${dataVersion.get()?.['data_version']}` : stateOf(current.path);
  if (now !== current.seen) current.version += 1;
  current.seen = now;
  return current.version;
}

/** Opens a bus file, as {@link connectSqlite} does. */
export function openSqliteFile(path: string, { create }: { readonly create: boolean }): SqliteFile {
  const current: Current = { path, connection: connectSqlite(path, { create }), opened: 1, version: 0, seen: '' };
  return {
    file: current.connection.file,
    connection: () => current.connection,
    read: (query) => read(current, query),
    version: () => versionOf(current),
    close: () => current.connection.database.close(),
  };
}
