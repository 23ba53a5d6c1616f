import { StoreError, TrimmedError, VersionConflictError } from '../../errors.ts';
import type { Log, Page, ReplaceOptions, StoredCommit } from '../../log.ts';
import { checkAppend, checkRead, checkReplace, closedError } from '../checks.ts';
import { isBusy } from '../sqlite-codes.ts';
import type { SqliteConnection } from './connection.ts';
import { isOutcomeUnknown, wrapSqliteError } from './errors.ts';
import { openSqliteFile, type SqliteFile } from './file.ts';
import { fileAt } from './state.ts';

const DEFAULT_LIMIT = 150;
/** How many commits one transaction lets go. */
const TRIM_STEP = 1_000;
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

const firstOf = ({ selectFirst }: SqliteConnection, stream: string): number =>
  Number(selectFirst.get(stream)?.['first'] ?? 1);

function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one && other ? Buffer.compare(one, other) === 0 : one === other;
}

/** Runs `work` as one durable transaction; `position` is what it writes. */
function transaction(connection: SqliteConnection, stream: string, position: number, work: () => void): void {
  const { database } = connection;
  database.exec('BEGIN IMMEDIATE');
  try {
    connection.checkJournal();
    work();
    commit(connection, stream, position);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function write(connection: SqliteConnection, stream: string, after: number, bytes: Uint8Array): number {
  const position = after + 1;
  transaction(connection, stream, position, () => {
    const found = bytesAt(connection, stream, position);
    if (found && isSame(found, bytes)) return;
    if (found) throw new VersionConflictError(stream, position, found);
    const reaches = after === 0 ? firstOf(connection, stream) === 1 : bytesAt(connection, stream, after);
    if (!reaches) throw new VersionConflictError(stream, position);
    connection.insert.run(stream, position, bytes);
  });
  return position;
}

function rowsBehind({ select }: SqliteConnection, stream: string, after: number, limit: number): StoredCommit[] {
  return select
    .all(stream, after, limit)
    .map((row) => ({ position: Number(row['position']), bytes: row['bytes'] as Uint8Array }));
}

function page(connection: SqliteConnection, stream: string, after: number, limit: number): Page {
  const rows = rowsBehind(connection, stream, after, limit + 1);
  // Asked last: what is trimmed between the two is not taken for a gap.
  if (rows[0]?.position !== after + 1) {
    const first = firstOf(connection, stream);
    if (after + 1 < first) throw new TrimmedError(stream, first);
  }
  return { commits: rows.slice(0, limit), end: rows.length <= limit };
}

/** Lets go of a step's worth of commits before `first`; false when none was left. */
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

function hasBefore({ database }: SqliteConnection, stream: string, first: number): boolean {
  const select = database.prepare('SELECT 1 FROM commits WHERE stream = ? AND position < ? LIMIT 1');
  return select.get(stream, first) !== undefined;
}

function replace(
  connection: SqliteConnection,
  stream: string,
  position: number,
  { found, bytes }: Omit<ReplaceOptions, 'signal'>,
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
  const open = await whenFree(path, signal, () => openSqliteFile(path, { create }));
  let isClosed = false;

  /** An open file that was moved away or replaced still reads and writes, for nobody. */
  function opened(): SqliteFile {
    if (isClosed) throw closedError();
    const file = fileAt(path);
    if (file === open.file) return open;
    if (file !== undefined)
      throw new StoreError('CERTBUS_STORE_CLOSED', `The bus ${path} was replaced by another file: open it again.`);
    const what = `The bus ${path} is away: the file was moved or its disk is not mounted.`;
    throw new StoreError('CERTBUS_STORE_UNREACHABLE', what);
  }

  const connected = (): SqliteConnection => opened().connection();

  return {
    async append(stream, after, bytes, options = {}) {
      checkAppend(stream, after, bytes);
      return whenFree(path, options.signal, () => write(connected(), stream, after, bytes));
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, ...options } = {}) {
      checkRead(after, limit);
      return whenFree(path, options.signal, () =>
        opened().read((connection) => page(connection, stream, after, limit)),
      );
    },
    version() {
      try {
        return isClosed ? 0 : open.version();
      } catch {
        // Locked this very moment, or worse: the next read tells.
        return 0;
      }
    },
    maintenance: {
      async trim(stream, first, { signal } = {}) {
        checkRead(first, 1);
        // Step by step, so that no writer waits for long; the first step says from where on the stream begins.
        while (await whenFree(path, signal, () => trimStep(connected(), stream, first)));
      },
      async replace(stream, position, { signal, ...change }) {
        checkReplace(stream, position, change.bytes);
        await whenFree(path, signal, () => replace(connected(), stream, position, change));
      },
      async first(stream, { signal } = {}) {
        return whenFree(path, signal, () => opened().read((connection) => firstOf(connection, stream)));
      },
      async correctFirst(stream, first, { dryRun = false, signal } = {}) {
        checkRead(first, 1);
        const said = await whenFree(path, signal, () => opened().read((connection) => firstOf(connection, stream)));
        if (said === first) return false;
        if (!dryRun) await whenFree(path, signal, () => correctFirst(connected(), stream, first));
        return true;
      },
      async *inspect(stream, after, { signal } = {}) {
        checkRead(after, DEFAULT_LIMIT);
        for (let reached = after; ; ) {
          const entries = await whenFree(path, signal, () =>
            opened().read((connection) => rowsBehind(connection, stream, reached, DEFAULT_LIMIT)),
          );
          const last = entries.at(-1);
          if (!last) return;
          reached = last.position;
          yield entries;
        }
      },
    },
    async close() {
      if (!isClosed) open.close();
      isClosed = true;
    },
  };
}
