/** The streams of a bus file: reads pages of them, and writes one commit in one durable transaction. */
import { StoreError, TrimmedError, VersionConflictError } from '../../errors.ts';
import type { Page, StoredCommit } from '../../log.ts';
import type { SqliteConnection } from './connection.ts';
import { isOutcomeUnknown } from './errors.ts';

/** The bytes at a position; `undefined` where nothing is. */
export function bytesAt({ selectOne }: SqliteConnection, stream: string, position: number): Uint8Array | undefined {
  return selectOne.get(stream, position)?.['bytes'] as Uint8Array | undefined;
}

/** The first position of a stream that was not trimmed. */
export function firstOf({ selectFirst }: SqliteConnection, stream: string): number {
  return Number(selectFirst.get(stream)?.['first'] ?? 1);
}

/** Whether two positions hold the same, or both nothing. */
export function isSame(one: Uint8Array | undefined, other: Uint8Array | undefined): boolean {
  return one && other ? Buffer.compare(one, other) === 0 : one === other;
}

/** Up to `limit` commits behind a position, holes left out. */
export function commitsBehind(
  { select }: SqliteConnection,
  stream: string,
  after: number,
  limit: number,
): StoredCommit[] {
  return select
    .all(stream, after, limit)
    .map((row) => ({ position: Number(row['position']), bytes: row['bytes'] as Uint8Array }));
}

/** The page behind a position. Throws a {@link TrimmedError}. */
export function pageBehind(connection: SqliteConnection, stream: string, after: number, limit: number): Page {
  const commits = commitsBehind(connection, stream, after, limit + 1);
  // Asked last: what is trimmed between the two is not taken for a gap.
  if (commits[0]?.position !== after + 1) {
    const first = firstOf(connection, stream);
    if (after + 1 < first) throw new TrimmedError(stream, first);
  }
  return { commits: commits.slice(0, limit), end: commits.length <= limit };
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
