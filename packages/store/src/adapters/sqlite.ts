import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { checkAppend, checkPosition, closedError } from '../checks.ts';
import { StoreError, VersionConflictError } from '../errors.ts';
import type { Log } from '../log.ts';
import { hasWalResetFix, isBusy, wrapSqliteError } from './sqlite-errors.ts';

const DEFAULT_LIMIT = 150;
/** "cbus" in ASCII: marks the file as ours. */
const APPLICATION_ID = 0x63627573;
const SCHEMA_VERSION = 1;
/** How long SQLite itself waits for a lock, which stands the event loop still. */
const LOCK_WAIT_MS = 50;
/** How long an operation is tried again, between turns of the event loop, while another process holds the lock. */
const BUSY_DEADLINE_MS = 30_000;

const SCHEMA = `
  CREATE TABLE commits (stream TEXT NOT NULL, position INTEGER NOT NULL, bytes BLOB NOT NULL, UNIQUE (stream, position)) STRICT;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${SCHEMA_VERSION};`;

export interface SqliteLogOptions {
  /** Make the file where it does not exist. Default false. */
  readonly create?: boolean;
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

function create(database: DatabaseSync): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    if (pragma(database, 'application_id') !== APPLICATION_ID) database.exec(SCHEMA);
    database.exec('COMMIT');
  } catch (error) {
    database.exec('ROLLBACK');
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

function openDatabase(path: string, isNew: boolean): DatabaseSync {
  const database = new DatabaseSync(path, { timeout: LOCK_WAIT_MS });
  try {
    if (isNew) create(database);
    checkIsOurs(database, path);
    chooseJournal(database, path);
    database.exec('PRAGMA synchronous = FULL');
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Repeats `work` while another process holds the file's lock; nothing was written by a try that found it locked. */
async function whenFree<T>(path: string, signal: AbortSignal | undefined, work: () => T): Promise<T> {
  const deadline = performance.now() + BUSY_DEADLINE_MS;
  for (;;) {
    signal?.throwIfAborted();
    try {
      return work();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw wrapSqliteError(path, error);
    }
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
  }
}

function open(path: string, isNew: boolean): DatabaseSync {
  try {
    return openDatabase(path, isNew);
  } catch (error) {
    if (isBusy(error)) throw error;
    const wrapped = wrapSqliteError(path, error);
    if (wrapped instanceof StoreError && wrapped.code === 'CERTBUS_STORE_READ_ONLY' && !isNew) {
      return openReadOnly(path);
    }
    throw wrapped;
  }
}

/** For a user who may only read, as a load balancer beside the manager. */
function openReadOnly(path: string): DatabaseSync {
  const database = new DatabaseSync(path, { readOnly: true, timeout: LOCK_WAIT_MS });
  checkIsOurs(database, path);
  return database;
}

/**
 * Opens a log in a SQLite file. Several processes may read and write it at once; the file must not lie on a network file
 * system. An append is durable, flushed to the disk, before it is acknowledged.
 *
 * Rejects `CERTBUS_STORE_NOT_FOUND` when the file is away and `create` is false, `CERTBUS_STORE_DAMAGED` when it is no bus.
 */
export async function openSqliteLog(path: string, { create: mayCreate = false }: SqliteLogOptions = {}): Promise<Log> {
  // DatabaseSync would make an empty file where none is, and a manager would begin a new history in it.
  if (!mayCreate && !existsSync(path)) {
    const what = `The bus ${path} does not exist. Is the path right, and its disk mounted? A new bus is made with "certbus init".`;
    throw new StoreError('CERTBUS_STORE_NOT_FOUND', what);
  }
  const database = await whenFree(path, undefined, () => open(path, mayCreate));
  const select = database.prepare(
    'SELECT position, bytes FROM commits WHERE stream = ? AND position > ? ORDER BY position LIMIT ?',
  );
  const selectOne = database.prepare('SELECT bytes FROM commits WHERE stream = ? AND position = ?');
  const insert = database.prepare('INSERT INTO commits (stream, position, bytes) VALUES (?, ?, ?)');
  const dataVersion = database.prepare('PRAGMA data_version');
  const inode = statSync(path).ino;
  let isClosed = false;

  async function guarded<T>(signal: AbortSignal | undefined, work: () => T): Promise<T> {
    return whenFree(path, signal, () => {
      if (isClosed) throw closedError();
      checkIsThere();
      return work();
    });
  }

  /** An open file that was moved away or replaced still reads and writes, for nobody. */
  function checkIsThere(): void {
    const now = statSync(path, { throwIfNoEntry: false })?.ino;
    if (now === inode) return;
    if (now !== undefined)
      throw new StoreError('CERTBUS_STORE_CLOSED', `The bus ${path} was replaced by another file: open it again.`);
    throw new StoreError(
      'CERTBUS_STORE_UNREACHABLE',
      `The bus ${path} is away: the file was moved or its disk is not mounted.`,
    );
  }

  const bytesAt = (stream: string, position: number) =>
    selectOne.get(stream, position)?.['bytes'] as Uint8Array | undefined;

  function write(stream: string, after: number, bytes: Uint8Array): number {
    database.exec('BEGIN IMMEDIATE');
    try {
      const found = bytesAt(stream, after + 1);
      const isOurs = found !== undefined && Buffer.compare(found, bytes) === 0;
      if (found && !isOurs) throw new VersionConflictError(stream, after + 1, found);
      if (after > 0 && !bytesAt(stream, after)) throw new VersionConflictError(stream, after + 1);
      if (!isOurs) insert.run(stream, after + 1, bytes);
      database.exec('COMMIT');
      return after + 1;
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  }

  return {
    async append(stream, after, bytes, { signal } = {}) {
      checkAppend(stream, after, bytes);
      return guarded(signal, () => write(stream, after, bytes));
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, signal } = {}) {
      checkPosition(after);
      return guarded(signal, () => {
        const rows = select.all(stream, after, limit + 1);
        const commits = rows
          .slice(0, limit)
          .map((row) => ({ position: Number(row['position']), bytes: row['bytes'] as Uint8Array }));
        return { commits, end: rows.length <= limit };
      });
    },
    version: () => (isClosed ? 0 : Number(dataVersion.get()?.['data_version'])),
    async close() {
      if (!isClosed) database.close();
      isClosed = true;
    },
  };
}
