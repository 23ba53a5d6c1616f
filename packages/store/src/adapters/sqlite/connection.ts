/** A connection to a bus file: opens it, or makes it, in the journal mode that is safe. */
import { closeSync, openSync } from 'node:fs';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { StoreError } from '../../errors.ts';
import { MAX_COMMIT_BYTES } from '../../log.ts';
import { findSchemaProblem, openGuarded } from '../sqlite-guard.ts';
import { isRefused } from './errors.ts';
import { prepareRowStatements, type RowStatements } from './rows.ts';
import { fileAt, hasJournal, isFile, isPastTick, stateOf, unlessChanged } from './state.ts';
import { isWalSafe, sqliteVersion } from './wal-reset.ts';

/** "cbus" in ASCII: marks the file as ours. */
const APPLICATION_ID = 0x63627573;
const SCHEMA_VERSION = 1;
/** More than any row of a bus has; a Node that knows no limits reads larger ones no further than to their length. */
const LIMITS = { length: 2 * MAX_COMMIT_BYTES, sqlLength: 2 * MAX_COMMIT_BYTES, attach: 0 };
/** How long SQLite itself waits for a lock, which blocks the event loop. */
const LOCK_WAIT_MS = 50;

const TABLES = `
  CREATE TABLE commits (stream TEXT NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (stream, position)) STRICT;
  CREATE TABLE streams (stream TEXT PRIMARY KEY, first INTEGER NOT NULL) STRICT;`;
const MARKS = `
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;

/** An open bus file and the statements on it. */
export interface SqliteConnection {
  readonly database: DatabaseSync;
  /** Which file this is; another one may have taken its path since. */
  readonly file: string | undefined;
  /**
   * The state of the disk that a connection without locks keeps showing; empty when it may have changed unseen since.
   * `undefined` where SQLite itself looks for changes.
   */
  readonly shows: string | undefined;
  readonly rows: RowStatements;
  readonly insert: StatementSync;
  readonly dataVersion: StatementSync;
  /** Throws where the tables are not those of a bus; to be asked within the transaction that uses them. */
  checkTables(): void;
  /** Throws where this SQLite may not write in the file's present journal mode; to be asked with the write lock held. */
  checkJournal(): void;
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
      : 'is a SQLite database, but not a CertBus bus: look whether the address is right';
  throw new StoreError('CERTBUS_STORE_DAMAGED', `The file ${path} ${what}.`);
}

/** Looks at the tables once, and again whenever somebody has changed the schema. */
function tablesCheck(database: DatabaseSync, path: string): () => void {
  const version = database.prepare('PRAGMA schema_version');
  let checked: unknown;
  return () => {
    const now = version.get()?.['schema_version'];
    if (now === checked) return;
    const problem = findSchemaProblem(database, TABLES);
    if (problem !== undefined)
      throw new StoreError(
        'CERTBUS_STORE_DAMAGED',
        `The bus ${path} ${problem}: somebody changed the file past CertBus, and reading it could run what they wrote. It is not read. Move it away, make another of an export with "certbus bus import FILE", and find out who can write to it.`,
      );
    checked = now;
  };
}

/** Readable by the file's group, which SQLite alone would not restrict; its journals take the mode over. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o640));
  } catch {
    // It exists, or SQLite reports in a moment why it cannot.
  }
}

/** Opens a file that exists; SQLite would otherwise make one where the file was moved away at that moment. */
function openDatabase(path: string, mode: 'writable' | 'immutable'): DatabaseSync {
  const url = pathToFileURL(path);
  if (mode === 'immutable') url.searchParams.set('immutable', '1');
  else url.searchParams.set('mode', 'rw');
  return openGuarded(url, { readOnly: mode === 'immutable', timeout: LOCK_WAIT_MS, limits: LIMITS });
}

function isEmpty(database: DatabaseSync): boolean {
  const hasTables = database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() !== undefined;
  return !hasTables && pragma(database, 'application_id') === 0;
}

/**
 * Makes a bus of a file that does not exist or is empty; a database with anything in it belongs to somebody else.
 *
 * The journal mode is chosen only here: a process that has the file open would follow a later change, even with a SQLite that
 * can lose commits in WAL mode.
 */
function createBus(path: string): void {
  createFile(path);
  const database = openDatabase(path, 'writable');
  try {
    if (!isEmpty(database)) return;
    // Kept until this connection is closed: no other process finds the file half made, or makes it in another way.
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT');
    if (!isEmpty(database)) return;
    if (isWalSafe(database)) database.exec('PRAGMA journal_mode = WAL');
    database.exec(`BEGIN; ${TABLES} ${MARKS} COMMIT`);
  } finally {
    database.close();
  }
}

/** Two processes that write and checkpoint in WAL mode lose commits where the linked SQLite lacks the WAL-reset fix. */
function journalCheck(database: DatabaseSync, path: string, shows: string | undefined): () => void {
  if (isWalSafe(database)) return () => {};
  const version = sqliteVersion(database);
  const mode = database.prepare('PRAGMA journal_mode');
  return () => {
    // Without locks a file in WAL mode looks as if it were not.
    if (shows === undefined && mode.get()?.['journal_mode'] !== 'wal') return;
    throw new StoreError(
      'CERTBUS_STORE_DAMAGED',
      `The bus ${path} is in WAL mode, and the SQLite ${version} in this Node ${process.versions.node} can lose commits in that mode. Use Node 22.23 or 24.15, or later.`,
    );
  };
}

/** Opens a file, and closes it again unless it is a bus that this SQLite may have. */
function connect(path: string, { shows }: { readonly shows?: string } = {}): SqliteConnection {
  // Before it is opened: should it be replaced between the two, the next look finds another file and says so.
  const file = fileAt(path);
  const database = openDatabase(path, shows === undefined ? 'writable' : 'immutable');
  try {
    checkIsOurs(database, path);
    const checkTables = tablesCheck(database, path);
    checkTables();
    const checkJournal = journalCheck(database, path, shows);
    checkJournal();
    database.exec('PRAGMA synchronous = FULL');
    return {
      database,
      file,
      shows,
      checkTables,
      checkJournal,
      rows: prepareRowStatements(database),
      insert: database.prepare('INSERT INTO commits (stream, position, bytes) VALUES (?, ?, ?)'),
      dataVersion: database.prepare('PRAGMA data_version'),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/**
 * Opens a file in WAL mode for a user who may not make the journal's files next to it, as a load balancer's user next to a
 * manager that runs once a day: without locks, as it is on the disk, which is whole as long as there is no journal.
 */
function connectUnlocked(path: string, state: string, cause: unknown): SqliteConnection {
  // Throws where this user may not read the file itself.
  openDatabase(path, 'immutable').close();
  if (!hasJournal(path)) return connect(path, { shows: isPastTick(path) ? state : '' });
  throw new StoreError(
    'CERTBUS_STORE_READ_ONLY',
    `The bus ${path} can only be read by this user, and next to it is a journal that this user cannot use, most often of a writer that was interrupted. Run any command on it once as a user who can write to it.`,
    { cause },
  );
}

/** Opens a bus file. Throws a `StoreError`, or what SQLite threw, for `wrapSqliteError`. */
export function connectSqlite(path: string, { create }: { readonly create: boolean }): SqliteConnection {
  const state = stateOf(path);
  if (create) createBus(path);
  try {
    return connect(path);
  } catch (error) {
    if (create || !isRefused(error) || !isFile(path)) throw error;
    return unlessChanged(path, state, () => connectUnlocked(path, state, error));
  }
}
