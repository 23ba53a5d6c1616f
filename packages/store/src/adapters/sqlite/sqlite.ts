/** The adapter for SQLite: opens a log in a file. */
import { StoreError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { checkAppend, checkRead } from '../checks.ts';
import { openSqliteFile } from './file.ts';
import { createMaintenance } from './maintenance.ts';
import { changeFile, type OpenLog, queryFile, whenFree } from './open-log.ts';
import { fileAt } from './state.ts';
import { append, pageBehind } from './streams.ts';
import { whenWritten } from './watch.ts';

const DEFAULT_LIMIT = 150;

export interface SqliteLogOptions {
  /** Make the file where it does not exist. Default false. */
  readonly create?: boolean;
  /** Ends the wait for a lock while opening. */
  readonly signal?: AbortSignal | undefined;
}

/** Differs after any write by another connection; 0 where it cannot be found out now. */
function versionOf({ file, isClosed }: OpenLog): number {
  try {
    return isClosed ? 0 : file.version();
  } catch {
    // Locked at this moment, or worse: the next read shows what it is.
    return 0;
  }
}

/** Whether the file is away, or another one is in its place: the next read says which. */
const isReplaced = ({ path, file }: OpenLog): boolean => fileAt(path) !== file.file;

/**
 * Opens a log in a SQLite file. Several processes can read and write it at once; the file must not be on a network file
 * system. An append is durable, flushed to the disk, before it is acknowledged.
 *
 * Rejects `CERTBUS_STORE_NOT_FOUND` when the file does not exist and `create` is false, `CERTBUS_STORE_DAMAGED` when it is not a
 * bus, `CERTBUS_STORE_ACCESS_DENIED` or `CERTBUS_STORE_READ_ONLY` when this user may not open it.
 */
export async function openSqliteLog(path: string, { create = false, signal }: SqliteLogOptions = {}): Promise<Log> {
  // DatabaseSync would make an empty file where none is, and a manager would begin a new history in it.
  if (!create && fileAt(path) === undefined) {
    const what = `The bus ${path} does not exist. Is the path right, and its disk mounted? A new bus is made with "certbus init".`;
    throw new StoreError('CERTBUS_STORE_NOT_FOUND', what);
  }
  const file = await whenFree(path, signal, () => openSqliteFile(path, { create }));
  const log: OpenLog = { path, file, isClosed: false };
  return {
    async append(stream, after, bytes, options = {}) {
      checkAppend(stream, after, bytes);
      return changeFile(log, options.signal, (connection) => append(connection, stream, after, bytes));
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, ...options } = {}) {
      checkRead(after, limit);
      return queryFile(log, options.signal, (connection) => pageBehind(connection, stream, after, limit));
    },
    version: () => versionOf(log),
    whenWritten: (version, wait) => whenWritten(path, () => versionOf(log) !== version || isReplaced(log), wait),
    maintenance: createMaintenance(log),
    async close() {
      if (!log.isClosed) file.close();
      log.isClosed = true;
    },
  };
}
