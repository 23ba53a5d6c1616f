/** The streams of a bus file: reads pages of them, and writes one commit in one durable transaction. */
import { StoreError, TrimmedError, VersionConflictError } from '../../errors.ts';
import { MAX_PAGE_BYTES, type Page, type StoredCommit } from '../../log.ts';
import type { SqliteConnection } from './connection.ts';
import { isOutcomeUnknown } from './errors.ts';
import { type Row, toRow, toRows } from './rows.ts';

function damaged(stream: string, what: string): StoreError {
  return new StoreError(
    'CERTBUS_STORE_DAMAGED',
    `Stream "${stream}" of the bus ${what}: somebody wrote to the file past CertBus. "certbus bus repair --from EXPORT" removes it.`,
  );
}

/** The row at a position, whatever it holds; `undefined` where none is. */
export function rowAt({ rows }: SqliteConnection, stream: string, position: number): Row | undefined {
  const found = rows.selectAt.get(stream, position);
  return found && toRow(found);
}

/** The bytes at a position; `undefined` where nothing is. Throws `CERTBUS_STORE_DAMAGED` for what is not a commit. */
export function bytesAt(connection: SqliteConnection, stream: string, position: number): Uint8Array | undefined {
  const row = rowAt(connection, stream, position);
  if (row && !row.bytes) throw damaged(stream, `holds something at position ${position} that is not a commit`);
  return row?.bytes;
}

/** The first position of a stream that was not trimmed; `undefined` where the file has something else than a position there. */
export function firstInFile({ rows }: SqliteConnection, stream: string): number | undefined {
  const row = rows.selectFirst.get(stream);
  if (!row) return 1;
  return typeof row['first'] === 'number' ? row['first'] : undefined;
}

/** The first position of a stream that was not trimmed. Throws `CERTBUS_STORE_DAMAGED`. */
export function firstOf(connection: SqliteConnection, stream: string): number {
  const first = firstInFile(connection, stream);
  if (first === undefined) throw damaged(stream, 'begins at something that is not a position');
  return first;
}

/** Whether two positions hold the same, or both nothing. */
export function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one && other ? Buffer.compare(one, other) === 0 : one === other;
}

/**
 * Up to `limit` commits behind a position, holes left out, and whether there is more. Throws `CERTBUS_STORE_DAMAGED` where a row that is
 * not a commit comes at once, or before every position.
 */
function commitsBehind({ rows }: SqliteConnection, stream: string, after: number, limit: number): Page {
  if (rows.selectBefore.get(stream, stream)?.['found'] !== 0)
    throw damaged(stream, 'holds a row before its first position');
  const commits: StoredCommit[] = [];
  let size = 0;
  // Row by row: what is behind the page is not read.
  for (const { position, bytes } of toRows(rows.selectBehind.iterate(stream, after, limit + 1))) {
    const isCommit = position !== undefined && bytes !== undefined;
    if (!isCommit && commits.length === 0)
      throw damaged(stream, `holds something after position ${after} that is not a commit`);
    size += bytes?.length ?? 0;
    // What is good before a row that is not a commit can still be served: the next read begins with that row.
    if (!isCommit || commits.length === limit || (commits.length > 0 && size > MAX_PAGE_BYTES))
      return { commits, end: false };
    commits.push({ position, bytes });
  }
  return { commits, end: true };
}

/** The page behind a position. Throws a {@link TrimmedError}, and `CERTBUS_STORE_DAMAGED` where it begins with what is not a commit. */
export function pageBehind(connection: SqliteConnection, stream: string, after: number, limit: number): Page {
  const page = commitsBehind(connection, stream, after, limit);
  // Asked last: what is trimmed between the two is not taken for a gap.
  if (page.commits[0]?.position !== after + 1) {
    const first = firstOf(connection, stream);
    if (after + 1 < first) throw new TrimmedError(stream, first);
  }
  return page;
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

/** Runs `work` as one durable transaction; `position` is what it writes. */
export function transaction(connection: SqliteConnection, stream: string, position: number, work: () => void): void {
  const { database } = connection;
  database.exec('BEGIN IMMEDIATE');
  try {
    connection.checkJournal();
    connection.checkTables();
    work();
    commit(connection, stream, position);
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Appends behind a position and returns the new one. Throws a {@link VersionConflictError}. */
export function append(connection: SqliteConnection, stream: string, after: number, bytes: Uint8Array): number {
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
