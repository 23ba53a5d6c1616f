/** Keeps a manager's own notes of when to ask the CAs about each leaf. */
import { closeSync, existsSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { checkSchema, type FileProblem, fileProblemOf, makeFolders, openGuarded } from '@certbus/store/sqlite-files';
import { LONGEST_NOTE_MS, type RenewalInfoNote, type RenewalInfoNotes } from './renewal-info-schedule.ts';

/** Notes that outlive the process. Dispose of them to close their file. */
export interface StoredRenewalInfoNotes extends RenewalInfoNotes, Disposable {
  isEmpty(): boolean;
  /** How many notes were set since they were opened: so often was a CA asked. */
  changes(): number;
  /** How many there are. */
  count(): number;
  /** So many of them: those whose questions come last, the latest first. */
  latest(limit: number): readonly RenewalInfoNote[];
  /** Takes notes that were kept elsewhere, all or nothing, in the place of what was noted of their certificates. */
  restore(notes: readonly RenewalInfoNote[]): void;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS notes (
    certificate_id TEXT PRIMARY KEY, leaf_hash TEXT NOT NULL, directory TEXT NOT NULL, ask_at INTEGER NOT NULL, failures INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notes_by_ask_at ON notes (directory, ask_at, certificate_id);
  CREATE TABLE IF NOT EXISTS stretch (
    id INTEGER PRIMARY KEY CHECK (id = 1), restored INTEGER NOT NULL, after INTEGER NOT NULL, up_to INTEGER NOT NULL
  ) STRICT;`;
const PAGE = 200;

function prepare(database: DatabaseSync) {
  return {
    get: database.prepare('SELECT * FROM notes WHERE certificate_id = ?'),
    set: database.prepare('INSERT OR REPLACE INTO notes VALUES (?, ?, ?, ?, ?)'),
    add: database.prepare(
      `INSERT INTO notes VALUES (?, ?, ?, ?, ?) ON CONFLICT (certificate_id) DO UPDATE SET leaf_hash = excluded.leaf_hash,
         directory = excluded.directory, ask_at = excluded.ask_at, failures = excluded.failures
       WHERE leaf_hash <> excluded.leaf_hash`,
    ),
    forget: database.prepare('DELETE FROM notes WHERE certificate_id = ?'),
    page: database.prepare(
      `SELECT * FROM notes WHERE directory = :directory AND (ask_at, certificate_id) > (:askAt, :certificateId) AND ask_at <= :upTo
       ORDER BY ask_at, certificate_id LIMIT ${PAGE}`,
    ),
    next: database.prepare('SELECT min(ask_at) AS next FROM notes WHERE directory = ? AND ask_at > ?'),
    any: database.prepare('SELECT 1 FROM notes LIMIT 1'),
    count: database.prepare('SELECT count(*) AS count FROM notes'),
    latest: database.prepare('SELECT * FROM notes ORDER BY ask_at DESC, certificate_id LIMIT ?'),
    stretch: database.prepare('SELECT * FROM stretch'),
    setStretch: database.prepare('INSERT OR REPLACE INTO stretch VALUES (1, ?, ?, ?)'),
  };
}

type Statements = ReturnType<typeof prepare>;

function openDatabase(path: string): { database: DatabaseSync; statements: Statements } {
  if (path !== ':memory:' && !existsSync(path)) {
    makeFolders(dirname(path), { mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
  }
  const database = openGuarded(path, { timeout: 2_000 });
  try {
    checkSchema(database, SCHEMA, { isPartial: true });
    // What is lost here is only asked for again, so nothing waits for the disk.
    database.exec(`PRAGMA synchronous = OFF; ${SCHEMA}`);
    return { database, statements: prepare(database) };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** What a file that cannot be used is not at fault for: then it stays where it is, and its notes are as good as before. */
const ELSEWHERE: ReadonlySet<FileProblem | undefined> = new Set([
  'busy',
  'full',
  'read-only',
  'denied',
  'too-many-open',
  'disk',
]);

/** Opens the notes; damaged ones are set aside. Where the disk takes none they are kept in memory, since they are only asked for again. */
function openOrBeginAgain(path: string): ReturnType<typeof openDatabase> {
  try {
    return openDatabase(path);
  } catch (error) {
    if (ELSEWHERE.has(fileProblemOf(error, path))) return openDatabase(':memory:');
  }
  try {
    renameSync(path, `${path}.damaged-${Date.now()}`);
    return openDatabase(path);
  } catch {
    return openDatabase(':memory:');
  }
}

/** A disk that is full, a file that another process holds for long: nothing that a renewal should wait for. */
function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

const parse = (row: Record<string, unknown>): RenewalInfoNote => ({
  certificateId: String(row['certificate_id']),
  leafHash: String(row['leaf_hash']),
  directory: String(row['directory']),
  askAt: new Date(Number(row['ask_at'])),
  failures: Number(row['failures']),
});

function write(statement: StatementSync, note: RenewalInfoNote): void {
  const { certificateId, leafHash, directory, askAt, failures } = note;
  statement.run(certificateId, leafHash, directory, askAt.getTime(), failures);
}

/** The notes of a directory whose time is behind one instant, and at another or before it. */
function* notesBetween(
  { page }: Statements,
  { directory, after, upTo }: { readonly directory: string; readonly after: number; readonly upTo: number },
): Iterable<RenewalInfoNote> {
  // Behind every id of the first instant.
  for (let last = { askAt: after + 1, certificateId: '' }; ; ) {
    const rows = attempt(() => page.all({ directory, ...last, upTo })) ?? [];
    for (const row of rows) yield parse(row);
    const end = rows.at(-1);
    if (!end || rows.length < PAGE) return;
    last = { askAt: Number(end['ask_at']), certificateId: String(end['certificate_id']) };
  }
}

/**
 * Opens a manager's notes in a file of its user's own, made where there is none; `:memory:` for notes that end with the process. A damaged
 * file is set aside; what cannot be read or kept later is as if it had not been noted.
 */
export function openRenewalInfoNotes(path: string): StoredRenewalInfoNotes {
  const { database, statements } = openOrBeginAgain(path);
  let changes = 0;
  /** Writes all or nothing; what fails is as if it had not been noted. */
  const together = (act: () => void): void => {
    attempt(() => {
      database.exec('BEGIN IMMEDIATE');
      try {
        act();
        database.exec('COMMIT');
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    });
  };
  return {
    isEmpty: () => attempt(() => statements.any.get()) === undefined,
    changes: () => changes,
    count: () => Number(attempt(() => statements.count.get())?.['count'] ?? 0),
    latest: (limit) => (attempt(() => statements.latest.all(limit)) ?? []).map(parse),
    restore(notes) {
      together(() => {
        for (const note of notes) write(statements.set, note);
      });
    },
    get(certificateId) {
      const row = attempt(() => statements.get.get(certificateId));
      return row && parse(row);
    },
    set(note) {
      changes += 1;
      attempt(() => write(statements.set, note));
    },
    forget(certificateId) {
      attempt(() => statements.forget.run(certificateId));
    },
    *open(directory, now) {
      yield* notesBetween(statements, { directory, after: Number.MIN_SAFE_INTEGER, upTo: now.getTime() });
      const after = now.getTime() + LONGEST_NOTE_MS;
      yield* notesBetween(statements, { directory, after, upTo: Number.MAX_SAFE_INTEGER });
    },
    next(directory, after) {
      const next = attempt(() => statements.next.get(directory, after.getTime()))?.['next'];
      return typeof next === 'number' ? new Date(next) : undefined;
    },
    stretch() {
      const row = attempt(() => statements.stretch.get());
      return row && { restored: Number(row['restored']), after: Number(row['after']), upTo: Number(row['up_to']) };
    },
    extend({ restored, after, upTo }, { notes, gone }) {
      together(() => {
        for (const note of notes) write(statements.add, note);
        for (const certificateId of gone) statements.forget.run(certificateId);
        statements.setStretch.run(restored, after, upTo);
      });
    },
    [Symbol.dispose]: () => database.close(),
  };
}
