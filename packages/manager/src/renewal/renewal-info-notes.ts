import { closeSync, existsSync, mkdirSync, openSync, renameSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { RenewalInfoNote, RenewalInfoNotes } from './renewal-info.ts';

/** Notes that outlive the process. Dispose of them to close their file. */
export interface StoredRenewalInfoNotes extends RenewalInfoNotes, Disposable {}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS notes (
    leaf_hash TEXT PRIMARY KEY, ask_at INTEGER NOT NULL, failures INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS notes_by_ask_at ON notes (ask_at);`;
/** A leaf that nobody asked about for so long is served no longer. */
const FORGET_AFTER_MS = 30 * 86_400_000;

function openDatabase(path: string): DatabaseSync {
  if (!existsSync(path)) {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    closeSync(openSync(path, 'a', 0o600));
  }
  const database = new DatabaseSync(path, { timeout: 2_000 });
  try {
    // What is lost here is only asked for again, so nothing waits for the disk.
    database.exec(`PRAGMA synchronous = OFF; ${SCHEMA}`);
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

function openOrBeginAnew(path: string): DatabaseSync {
  try {
    return openDatabase(path);
  } catch {
    renameSync(path, `${path}.damaged-${Date.now()}`);
    return openDatabase(path);
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

/**
 * Opens a manager's notes in a file of its user's own, made where there is none. A damaged file is set aside; what cannot be read or
 * kept later is as if it had not been noted.
 */
export function openRenewalInfoNotes(path: string, now: () => Date = () => new Date()): StoredRenewalInfoNotes {
  const database = openOrBeginAnew(path);
  const oldest = now().getTime() - FORGET_AFTER_MS;
  attempt(() => database.prepare('DELETE FROM notes WHERE ask_at < ?').run(oldest));
  const select = database.prepare('SELECT ask_at, failures FROM notes WHERE leaf_hash = ?');
  const upsert = database.prepare(
    `INSERT INTO notes (leaf_hash, ask_at, failures) VALUES (?, ?, ?)
     ON CONFLICT (leaf_hash) DO UPDATE SET ask_at = excluded.ask_at, failures = excluded.failures`,
  );
  return {
    get(leafHash): RenewalInfoNote | undefined {
      const row = attempt(() => select.get(leafHash));
      return row && { askAt: new Date(Number(row['ask_at'])), failures: Number(row['failures']) };
    },
    set(leafHash, { askAt, failures }) {
      attempt(() => upsert.run(leafHash, askAt.getTime(), failures));
    },
    [Symbol.dispose]: () => database.close(),
  };
}
