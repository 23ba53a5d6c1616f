import { closeSync, openSync, statSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { StoreError } from '../errors.ts';
import { hasWalResetFix, isReadOnly } from './sqlite-errors.ts';

/** "cbus" in ASCII: marks the file as ours. */
const APPLICATION_ID = 0x63627573;
const SCHEMA_VERSION = 1;
/** How long SQLite itself waits for a lock, which stands the event loop still. */
const LOCK_WAIT_MS = 50;

const SCHEMA = `
  CREATE TABLE commits (stream TEXT NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (stream, position)) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;

/** An open bus file and the statements on it. */
export interface SqliteConnection {
  readonly database: DatabaseSync;
  /** Which file this is; another one may have taken its path since. */
  readonly file: string | undefined;
  readonly select: StatementSync;
  readonly selectOne: StatementSync;
  readonly insert: StatementSync;
  readonly dataVersion: StatementSync;
}

/** Which file lies at a path: its device and inode; `undefined` when there is none. */
export function fileAt(path: string): string | undefined {
  try {
    const found = statSync(path, { bigint: true, throwIfNoEntry: false });
    return found && `${found.dev}:${found.ino}`;
  } catch {
    // A folder on the way that may not be entered, or is none: SQLite says which when it opens.
    return undefined;
  }
}

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

function checkIsOurs(database: DatabaseSync, path: string): void {
  const id = pragma(database, 'application_id');
  const version = pragma(database, 'user_version');
  if (id === APPLICATION_ID && version === SCHEMA_VERSION) return;
  const what =
    id === APPLICATION_ID
      ? `was written by another release (schema ${String(version)}; this one knows ${SCHEMA_VERSION}): upgrade this program`
      : 'is a SQLite database, but not a CertBus bus: is the address right?';
  throw new StoreError('CERTBUS_STORE_DAMAGED', `The file ${path} ${what}.`);
}

/** Readable by the file's group, which SQLite alone would not restrict; its journals take the mode over. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o640));
  } catch {
    // It exists, or SQLite says in a moment why it cannot.
  }
}

function createSchema(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    // Only an empty file becomes a bus: a database with anything in it belongs to somebody.
    const isEmpty = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
    if (isEmpty && pragma(database, 'application_id') === 0) database.exec(SCHEMA);
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * WAL only where the linked SQLite has the WAL-reset fix, else two processes that write and checkpoint could lose commits;
 * without it a file that is in WAL mode already is refused.
 */
function chooseJournal(database: DatabaseSync, path: string): void {
  const version = String(Object.values(database.prepare('SELECT sqlite_version()').get() ?? {})[0]);
  if (hasWalResetFix(version)) {
    database.exec('PRAGMA journal_mode = WAL');
    return;
  }
  if (pragma(database, 'journal_mode') !== 'wal') return;
  throw new StoreError(
    'CERTBUS_STORE_DAMAGED',
    `The bus ${path} is in WAL mode, and the SQLite ${version} in this Node ${process.versions.node} can lose commits in that mode. Use Node 22.23 or 24.15, or later.`,
  );
}

/** Opens the file and closes it again unless `prepare` likes it. */
function openDatabase(path: string, readOnly: boolean, prepare: (database: DatabaseSync) => void): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly, timeout: LOCK_WAIT_MS });
  try {
    prepare(database);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function openWritable(path: string, create: boolean): DatabaseSync {
  if (create) createFile(path);
  return openDatabase(path, false, (database) => {
    if (create) createSchema(database);
    checkIsOurs(database, path);
    chooseJournal(database, path);
    database.exec('PRAGMA synchronous = FULL');
  });
}

/** For a user who may only read, as a load balancer beside the manager. */
function openReadOnly(path: string): DatabaseSync {
  try {
    return openDatabase(path, true, (database) => checkIsOurs(database, path));
  } catch (error) {
    if (!isReadOnly(error)) throw error;
    throw new StoreError(
      'CERTBUS_STORE_READ_ONLY',
      `The bus ${path} may only be read by this user, and no process has it open that may write. Let this user write to its folder.`,
      { cause: error },
    );
  }
}

function open(path: string, create: boolean): DatabaseSync {
  try {
    return openWritable(path, create);
  } catch (error) {
    if (!create && isReadOnly(error)) return openReadOnly(path);
    throw error;
  }
}

/** Opens a bus file. Throws a `StoreError`, or what SQLite threw: `wrapSqliteError` says what that means. */
export function connectSqlite(path: string, { create }: { readonly create: boolean }): SqliteConnection {
  // Before it is opened: should it be replaced between the two, the next look finds another file and says so.
  const before = fileAt(path);
  const database = open(path, create);
  return {
    database,
    file: before ?? fileAt(path),
    select: database.prepare(
      'SELECT position, bytes FROM commits WHERE stream = ? AND position > ? ORDER BY position LIMIT ?',
    ),
    selectOne: database.prepare('SELECT bytes FROM commits WHERE stream = ? AND position = ?'),
    insert: database.prepare('INSERT INTO commits (stream, position, bytes) VALUES (?, ?, ?)'),
    dataVersion: database.prepare('PRAGMA data_version'),
  };
}
