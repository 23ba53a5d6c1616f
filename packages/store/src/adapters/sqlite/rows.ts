/**
 * Rows of a bus file, read as what anyone who can write to the file may have made of them.
 *
 * A STRICT table keeps its types only from those who use it as one, so each value is judged in SQL by its own type: a number that
 * JavaScript cannot hold, a text in the place of bytes or a commit of gigabytes never leaves SQLite.
 */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { MAX_COMMIT_BYTES } from '../../log.ts';

const IS_POSITION = `typeof(commits.position) = 'integer' AND commits.position BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER}`;
/** `NULL` where the row is not at a position. */
const POSITION = `CASE WHEN ${IS_POSITION} THEN commits.position END AS position`;
/** `NULL` where the row does not hold a commit. */
const BYTES = `CASE WHEN typeof(commits.bytes) = 'blob' AND length(commits.bytes) <= ${MAX_COMMIT_BYTES} THEN commits.bytes END AS bytes`;

/** The statements that read rows. Node 22.18 does not bind numbered parameters by their place, so that a value which stands twice is given twice. */
export interface RowStatements {
  /** Rows behind a position in their order: what is not at a position and sorts behind it is among them. */
  readonly selectBehind: StatementSync;
  /** The row at a position. */
  readonly selectAt: StatementSync;
  /** Rows at a position behind another one, in order. */
  readonly selectPlaced: StatementSync;
  /** Whether a stream has a row before every position. */
  readonly selectBefore: StatementSync;
  /** Rows of a stream, or of no stream at all, that are at no position, by rowid. */
  readonly selectStrays: StatementSync;
  /** First position of a stream that was not trimmed, `NULL` where what is there is not one; no row for a whole stream. */
  readonly selectFirst: StatementSync;
}

/** Prepares them. */
export function prepareRowStatements(database: DatabaseSync): RowStatements {
  const ofStream = 'FROM commits WHERE commits.stream = ?';
  return {
    selectBehind: database.prepare(
      `SELECT ${POSITION}, ${BYTES} ${ofStream} AND commits.position > ? ORDER BY commits.position LIMIT ?`,
    ),
    selectAt: database.prepare(`SELECT ${BYTES} ${ofStream} AND commits.position = ?`),
    selectPlaced: database.prepare(
      `SELECT ${POSITION}, ${BYTES} ${ofStream} AND commits.position > ? AND ${IS_POSITION} ORDER BY commits.position LIMIT ?`,
    ),
    selectBefore: database.prepare(
      `SELECT EXISTS (SELECT 1 ${ofStream} AND commits.position < 1) OR EXISTS (SELECT 1 ${ofStream} AND commits.position IS NULL) AS found`,
    ),
    selectStrays: database.prepare(
      `SELECT CAST(rowid AS TEXT) AS id FROM commits
       WHERE (typeof(stream) <> 'text' OR (stream = ? AND NOT (${IS_POSITION}))) AND (? IS NULL OR rowid > CAST(? AS INTEGER))
       ORDER BY rowid LIMIT ?`,
    ),
    selectFirst: database.prepare(
      `SELECT CASE WHEN typeof(first) = 'integer' AND first BETWEEN 1 AND ${Number.MAX_SAFE_INTEGER} THEN first END AS first
       FROM streams WHERE stream = ?`,
    ),
  };
}

/** Removes a row that {@link RowStatements.selectStrays} names, and nothing that is at a position of a stream. */
export const REMOVE_STRAY: string = `DELETE FROM commits WHERE rowid = CAST(? AS INTEGER) AND NOT (typeof(stream) = 'text' AND ${IS_POSITION})`;

/** A row of a stream; each field is `undefined` where it holds something else. */
export interface Row {
  readonly position: number | undefined;
  readonly bytes: Uint8Array | undefined;
}

/** Reads what a statement above gave. */
export function toRow({ position, bytes }: Record<string, unknown>): Row {
  return {
    position: typeof position === 'number' ? position : undefined,
    bytes: bytes instanceof Uint8Array ? bytes : undefined,
  };
}

/** The same, one row after the other, as they are asked for. */
export function* toRows(found: Iterable<Record<string, unknown>>): Iterable<Row> {
  for (const each of found) yield toRow(each);
}
