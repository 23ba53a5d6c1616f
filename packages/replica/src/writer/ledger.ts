/** Keeps what was spent of the limits of CAs, by stretches of five minutes, for as long as a limit looks back. */
import type { DatabaseSync } from 'node:sqlite';
import type { LedgerEntry } from '@certbus/events/history';

const SLOT_MS = 300_000;
const DAY_MS = 86_400_000;
/** Twice the longest window of a limit, a week, and a day for clocks that differ. */
const KEPT_DAYS = 15;
/** Where there is what open issuances hold, which has no instant. */
const HELD = -1;

/** The table of a generation. The day comes first: what is written is written together, and what is old goes as one range. */
export const ledgerSchemaOf = (suffix: string): string => `
  CREATE TABLE ledger${suffix} (
    day INTEGER NOT NULL,
    key TEXT NOT NULL,
    slot INTEGER NOT NULL,
    count INTEGER NOT NULL,
    last INTEGER NOT NULL,
    PRIMARY KEY (day, key, slot)
  ) STRICT, WITHOUT ROWID;`;

/** What was spent of one limit. */
export interface Spending {
  /** What open issuances hold. */
  readonly held: number;
  /** In order; of what was spent within five minutes, `at` is the last instant, milliseconds since 1970. */
  readonly spent: readonly { readonly at: number; readonly count: number }[];
}

/** Counts in the memory until the transaction is about to end. */
export interface LedgerWriter {
  add(entries: readonly LedgerEntry[]): void;
  /** Writes what was counted, and drops what no limit looks back on from `at`, nor from now; within the transaction of the caller. */
  flush(at: Date | undefined): void;
  /** Forgets what was counted since the last flush. */
  forget(): void;
}

interface Row {
  readonly key: string;
  readonly slot: number;
  count: number;
  last: number;
}

const dayOf = (slot: number): number => (slot === HELD ? HELD : Math.floor((slot * SLOT_MS) / DAY_MS));

/** Makes the writer of a generation. */
export function createLedgerWriter(database: DatabaseSync, suffix: string): LedgerWriter {
  const rows = new Map<string, Row>();
  const upsert = database.prepare(
    `INSERT INTO ledger${suffix} (day, key, slot, count, last) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count, last = max(last, excluded.last)`,
  );
  const clean = database.prepare(`DELETE FROM ledger${suffix} WHERE day = ? AND key = ? AND slot = ? AND count = 0`);
  const drop = database.prepare(`DELETE FROM ledger${suffix} WHERE day >= 0 AND day < ?`);
  let droppedTo = 0;
  return {
    add(entries) {
      for (const { key, at, count } of entries) {
        const slot = at === undefined ? HELD : Math.floor(at / SLOT_MS);
        const id = `${key} ${slot}`;
        const row = rows.get(id) ?? { key, slot, count: 0, last: 0 };
        row.count += count;
        row.last = Math.max(row.last, at ?? 0);
        rows.set(id, row);
      }
    },
    flush(at) {
      for (const { key, slot, count, last } of rows.values()) {
        if (count === 0) continue;
        upsert.run(dayOf(slot), key, slot, count, last);
        if (count < 0) clean.run(dayOf(slot), key, slot);
      }
      rows.clear();
      // Of a manager whose clock is ahead, nothing is dropped that the others need.
      const keptFrom = at === undefined ? 0 : Math.floor(Math.min(at.getTime(), Date.now()) / DAY_MS) - KEPT_DAYS;
      if (keptFrom <= droppedTo) return;
      drop.run(keptFrom);
      droppedTo = keptFrom;
    },
    forget: () => rows.clear(),
  };
}

/** A stretch of time, both ends included. */
export interface SpendingStretch {
  readonly since: Date;
  readonly until: Date;
}

/** What can be asked about the limits of CAs. */
export interface LedgerReader {
  /** What was spent of a limit in a stretch of time, which MUST NOT begin more than 15 days ago, and what is held of it. */
  spending(key: string, stretch: SpendingStretch): Spending;
  /** All that is kept, as a snapshot holds it. */
  ledger(): Iterable<LedgerEntry>;
}

/** Makes the reader of a generation. */
export function createLedgerReader(database: DatabaseSync, suffix: string): LedgerReader {
  const selectDay = database.prepare(
    `SELECT last, count FROM ledger${suffix} WHERE day = ? AND key = ? AND last BETWEEN ? AND ? ORDER BY slot`,
  );
  const selectAll = database.prepare(`SELECT key, slot, last, count FROM ledger${suffix} ORDER BY day, key, slot`);
  return {
    spending(key, { since, until }) {
      const held = Number(selectDay.get(HELD, key, 0, 0)?.['count'] ?? 0);
      const spent: { readonly at: number; readonly count: number }[] = [];
      const [from, to] = [since.getTime(), until.getTime()];
      for (let day = Math.max(0, Math.floor(from / DAY_MS)); day <= to / DAY_MS; day += 1)
        for (const row of selectDay.all(day, key, from, to))
          spent.push({ at: Number(row['last']), count: Number(row['count']) });
      return { held, spent };
    },
    *ledger() {
      for (const row of selectAll.iterate()) {
        const at = Number(row['slot']) === HELD ? undefined : Number(row['last']);
        yield { key: String(row['key']), at, count: Number(row['count']) };
      }
    },
  };
}
