/**
 * Opens SQLite files that somebody else may have written, and refuses those whose schema their program did not make.
 *
 * A view in the place of a table, a trigger, a generated column or a virtual table is a program that runs when the table is read or
 * written, without end where it is written so (sqlite.org/security.html).
 */
import type { DatabaseSyncOptions } from 'node:sqlite';
import { fileURLToPath, type URL } from 'node:url';
import { DatabaseSync } from '../node-modules.ts';
import { checkRegular } from './regular-file.ts';

const MAKES_OBJECT = /^CREATE /;
/** SQLite's primary result code for a damaged file (sqlite.org/rescode.html). */
const CORRUPT = 11;
const KINDS: readonly unknown[] = ['table', 'index', 'view', 'trigger'];

/** How a statement is compared: SQLite keeps its text from the name on. */
const spellingOf = (statement: string): string =>
  statement.replaceAll(/\s+/g, ' ').trim().replace(' IF NOT EXISTS ', ' ');

export interface SchemaOptions {
  /** Whether the file may lack what the statements make. Default false. */
  readonly isPartial?: boolean;
  /** Makes of a statement in the file the one that made it, where SQLite has changed it since. */
  readonly original?: (statement: string) => string;
}

/**
 * Opens a file so that its schema can call no function with a side effect, and nothing can change it but as SQL. Throws with the code
 * `ENOTREG` for a pipe, a socket or a device, of which reading might never end.
 */
export function openGuarded(path: string | URL, options: DatabaseSyncOptions = {}): DatabaseSync {
  if (path !== ':memory:') checkRegular(typeof path === 'string' ? path : fileURLToPath(path));
  // Node 22 has no defensive mode, and takes no notice.
  const database = new DatabaseSync(path, { ...options, defensive: true });
  database.exec('PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON');
  return database;
}

/** The statements of a schema that make something. */
const statementsOf = (schema: string): string[] =>
  schema.split(';').flatMap((statement) => (MAKES_OBJECT.test(statement.trim()) ? [spellingOf(statement)] : []));

/**
 * What a file has that no statement of its schema made, or what it lacks, as the end of a sentence; `undefined` where it is as it should be.
 * Names are left out: anyone may have chosen them.
 */
export function findSchemaProblem(
  database: DatabaseSync,
  schema: string,
  { isPartial = false, original = (statement) => statement }: SchemaOptions = {},
): string | undefined {
  const missing = new Set(statementsOf(schema));
  const known = new Set(missing);
  for (const { type, name, sql } of database.prepare('SELECT type, name, sql FROM sqlite_schema').iterate()) {
    // SQLite's own, for a UNIQUE or PRIMARY KEY of a table.
    if (sql === null && type === 'index' && String(name).startsWith('sqlite_autoindex_')) continue;
    const statement = original(spellingOf(String(sql)));
    if (!known.has(statement))
      return `has a ${KINDS.includes(type) ? String(type) : 'thing'} that CertBus did not make`;
    missing.delete(statement);
  }
  return missing.size === 0 || isPartial ? undefined : 'lacks a table of CertBus';
}

/** Throws what `fileProblemOf` takes for a damaged file, where {@link findSchemaProblem} finds something. */
export function checkSchema(database: DatabaseSync, schema: string, options?: SchemaOptions): void {
  const problem = findSchemaProblem(database, schema, options);
  if (problem !== undefined) throw Object.assign(new Error(`it ${problem}`), { errcode: CORRUPT });
}
