import { checkAppend, checkRead, closedError } from '../checks.ts';
import { StoreError, VersionConflictError } from '../errors.ts';
import type { Log } from '../log.ts';
import { connectSqlite, fileAt, type SqliteConnection } from './sqlite-connection.ts';
import { isBusy, isOutcomeUnknown, wrapSqliteError } from './sqlite-errors.ts';

const DEFAULT_LIMIT = 150;
/** How long an operation is tried again, between turns of the event loop, while another process holds the lock. */
const BUSY_DEADLINE_MS = 30_000;

export interface SqliteLogOptions {
  /** Make the file where it does not exist. Default false. */
  readonly create?: boolean;
  /** Ends the wait for a lock while opening. */
  readonly signal?: AbortSignal | undefined;
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

function bytesAt({ selectOne }: SqliteConnection, stream: string, position: number): Uint8Array | undefined {
  return selectOne.get(stream, position)?.['bytes'] as Uint8Array | undefined;
}

function commit({ database }: SqliteConnection, stream: string, position: number): void {
  try {
    database.exec('COMMIT');
  } catch (error) {
    if (!isOutcomeUnknown(error)) throw error;
    const what = `The disk failed while the commit at position ${position} of "${stream}" was written; it may be in the log. Look at the disk; the next run looks at the bus and finds out.`;
    throw new StoreError('CERTBUS_STORE_OUTCOME_UNKNOWN', what, { cause: error });
  }
}

function write(connection: SqliteConnection, stream: string, after: number, bytes: Uint8Array): number {
  const { database, insert } = connection;
  database.exec('BEGIN IMMEDIATE');
  try {
    const found = bytesAt(connection, stream, after + 1);
    const isOurs = found !== undefined && Buffer.compare(found, bytes) === 0;
    if (found && !isOurs) throw new VersionConflictError(stream, after + 1, found);
    if (after > 0 && !bytesAt(connection, stream, after)) throw new VersionConflictError(stream, after + 1);
    if (!isOurs) insert.run(stream, after + 1, bytes);
    commit(connection, stream, after + 1);
    return after + 1;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/**
 * Opens a log in a SQLite file. Several processes may read and write it at once; the file must not lie on a network file
 * system. An append is durable, flushed to the disk, before it is acknowledged.
 *
 * Rejects `CERTBUS_STORE_NOT_FOUND` when the file is away and `create` is false, `CERTBUS_STORE_DAMAGED` when it is no bus,
 * `CERTBUS_STORE_ACCESS_DENIED` or `CERTBUS_STORE_READ_ONLY` when this user may not open it.
 */
export async function openSqliteLog(path: string, { create = false, signal }: SqliteLogOptions = {}): Promise<Log> {
  // DatabaseSync would make an empty file where none is, and a manager would begin a new history in it.
  if (!create && fileAt(path) === undefined) {
    const what = `The bus ${path} does not exist. Is the path right, and its disk mounted? A new bus is made with "certbus init".`;
    throw new StoreError('CERTBUS_STORE_NOT_FOUND', what);
  }
  const connection = await whenFree(path, signal, () => connectSqlite(path, { create }));
  let isClosed = false;

  /** An open file that was moved away or replaced still reads and writes, for nobody. */
  function connected(): SqliteConnection {
    if (isClosed) throw closedError();
    const file = fileAt(path);
    if (file === connection.file) return connection;
    if (file !== undefined)
      throw new StoreError('CERTBUS_STORE_CLOSED', `The bus ${path} was replaced by another file: open it again.`);
    const what = `The bus ${path} is away: the file was moved or its disk is not mounted.`;
    throw new StoreError('CERTBUS_STORE_UNREACHABLE', what);
  }

  return {
    async append(stream, after, bytes, options = {}) {
      checkAppend(stream, after, bytes);
      return whenFree(path, options.signal, () => write(connected(), stream, after, bytes));
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, ...options } = {}) {
      checkRead(after, limit);
      return whenFree(path, options.signal, () => {
        const rows = connected().select.all(stream, after, limit + 1);
        const commits = rows
          .slice(0, limit)
          .map((row) => ({ position: Number(row['position']), bytes: row['bytes'] as Uint8Array }));
        return { commits, end: rows.length <= limit };
      });
    },
    version() {
      try {
        return isClosed ? 0 : Number(connection.dataVersion.get()?.['data_version']);
      } catch {
        // Locked this very moment, or worse: the next read tells.
        return 0;
      }
    },
    async close() {
      if (!isClosed) connection.database.close();
      isClosed = true;
    },
  };
}
