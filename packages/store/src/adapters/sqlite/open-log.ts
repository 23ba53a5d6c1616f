/** A log's hold on its bus file: which file it is, whether it is still there, and the wait for its lock. */
import { StoreError } from '../../errors.ts';
import { closedError } from '../checks.ts';
import { isBusy } from '../sqlite-codes.ts';
import type { SqliteConnection } from './connection.ts';
import { wrapSqliteError } from './errors.ts';
import type { SqliteFile } from './file.ts';
import { fileAt } from './state.ts';

/** How long an operation is tried again, between turns of the event loop, while another process holds the lock. */
const BUSY_DEADLINE_MS = 30_000;

/** A bus file that a log has open. */
export interface OpenLog {
  readonly path: string;
  readonly file: SqliteFile;
  isClosed: boolean;
}

/** Repeats `work` while another process holds the file's lock; a try that found it locked wrote nothing. */
export async function whenFree<T>(path: string, signal: AbortSignal | undefined, work: () => T): Promise<T> {
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

/** The file, where it is still the one at its path: one that was moved away or replaced still reads and writes, for nobody. */
function openedFile({ path, file: open, isClosed }: OpenLog): SqliteFile {
  if (isClosed) throw closedError();
  const file = fileAt(path);
  if (file === open.file) return open;
  if (file !== undefined)
    throw new StoreError('CERTBUS_STORE_CLOSED', `The bus ${path} was replaced by another file: open it again.`);
  const what = `The bus ${path} is away: the file was moved or its disk is not mounted.`;
  throw new StoreError('CERTBUS_STORE_UNREACHABLE', what);
}

/** Does something on a connection that can write, once the file is free. */
export function changeFile<T>(
  log: OpenLog,
  signal: AbortSignal | undefined,
  work: (connection: SqliteConnection) => T,
): Promise<T> {
  return whenFree(log.path, signal, () => work(openedFile(log).connection()));
}

/** Runs a query, once the file is free. */
export function queryFile<T>(
  log: OpenLog,
  signal: AbortSignal | undefined,
  query: (connection: SqliteConnection) => T,
): Promise<T> {
  return whenFree(log.path, signal, () => openedFile(log).read(query));
}
