/** What the process that follows the bus notes in the replica for those that read along. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

/** How following the bus stands, as the process that advances the replica sees it. */
export interface FollowingNote {
  /** How often it is noted, milliseconds: who is silent for several times as long has stopped. */
  readonly everyMs: number;
  /** When the bus last answered. */
  readonly lastContactAt: Date | undefined;
  /** When the replica last had all that was on the bus. */
  readonly caughtUpAt: Date | undefined;
  /** Whether the replica has caught up with the bus since that process started. */
  readonly live: boolean;
  /** What is between that process and the bus; `undefined` where nothing is. */
  readonly trouble: { readonly code: string | undefined; readonly message: string } | undefined;
}

/** A {@link FollowingNote} as it is read. */
export interface Following extends FollowingNote {
  /** Differs after every note, also where nothing else does. */
  readonly beat: number;
  /** Who noted it, for people. */
  readonly holder: string;
}

/** One row in a table of its own: what is noted here changes nothing that is served. */
export const FOLLOWING_SCHEMA = `
  CREATE TABLE following (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    beat INTEGER NOT NULL,
    holder TEXT NOT NULL,
    every_ms INTEGER NOT NULL,
    last_contact_at INTEGER,
    caught_up_at INTEGER,
    live INTEGER NOT NULL,
    code TEXT,
    message TEXT
  ) STRICT;`;

const instantOf = (value: unknown): Date | undefined => (typeof value === 'number' ? new Date(value) : undefined);

/** Makes what reads the note of a replica; `undefined` where nobody has noted anything. */
export function createFollowingReader(database: DatabaseSync): () => Following | undefined {
  const select: StatementSync = database.prepare('SELECT * FROM following');
  return () => {
    const row = select.get();
    if (!row) return undefined;
    const { code, message } = row;
    return {
      beat: Number(row['beat']),
      holder: String(row['holder']),
      everyMs: Number(row['every_ms']),
      lastContactAt: instantOf(row['last_contact_at']),
      caughtUpAt: instantOf(row['caught_up_at']),
      live: row['live'] === 1,
      trouble:
        message === null ? undefined : { code: code === null ? undefined : String(code), message: String(message) },
    };
  };
}

/** Makes what writes the note of a replica. */
export function createFollowingWriter(database: DatabaseSync): (note: FollowingNote) => void {
  const upsert = database.prepare(
    `INSERT INTO following (id, beat, holder, every_ms, last_contact_at, caught_up_at, live, code, message) VALUES (1, 1, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO UPDATE SET beat = beat + 1, holder = excluded.holder, every_ms = excluded.every_ms, last_contact_at = excluded.last_contact_at,
       caught_up_at = excluded.caught_up_at, live = excluded.live, code = excluded.code, message = excluded.message`,
  );
  return ({ everyMs, lastContactAt, caughtUpAt, live, trouble }) => {
    const instants = [lastContactAt?.getTime() ?? null, caughtUpAt?.getTime() ?? null];
    upsert.run(
      `process ${process.pid}`,
      everyMs,
      ...instants,
      Number(live),
      trouble?.code ?? null,
      trouble?.message ?? null,
    );
  };
}
