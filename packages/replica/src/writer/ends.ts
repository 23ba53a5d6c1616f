/** Counts the certificates that are served by when they end, so that no report has to count a table. */
import type { DatabaseSync } from 'node:sqlite';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Two counts of each certificate: by the day, and by the quarter of an hour. A count up to an instant adds a few hundred rows. */
const WIDTHS_MS = [DAY_MS, 15 * MINUTE_MS] as const;

/** The table of a generation: how many certificates end in each stretch of time. */
export const endsSchemaOf = (suffix: string): string => `
  CREATE TABLE ends${suffix} (
    width INTEGER NOT NULL,
    starts_at INTEGER NOT NULL,
    served INTEGER NOT NULL,
    PRIMARY KEY (width, starts_at)
  ) STRICT, WITHOUT ROWID;`;

const startOf = (instant: number, width: number): number => instant - (((instant % width) + width) % width);

/** Counts in the memory until the transaction is about to end: of one batch, most certificates end in the same stretches. */
export interface EndCounter {
  /** A certificate is served that ends then, milliseconds since 1970; `null` for one that is not. */
  add(notAfter: number | null): void;
  /** One that ends then is no longer served, or not with this end. */
  remove(notAfter: number | null): void;
  /** Writes what was counted; within the transaction of the caller. */
  flush(): void;
  /** Forgets what was counted since the last flush. */
  forget(): void;
}

/** Makes the counter of a generation. */
export function createEndCounter(database: DatabaseSync, suffix: string): EndCounter {
  const counted = new Map<number, number>();
  const upsert = database.prepare(
    `INSERT INTO ends${suffix} (width, starts_at, served) VALUES (?, ?, ?) ON CONFLICT (width, starts_at) DO UPDATE SET served = served + excluded.served`,
  );
  const clean = database.prepare(`DELETE FROM ends${suffix} WHERE width = ? AND starts_at = ? AND served = 0`);
  const [, narrow] = WIDTHS_MS;
  const count = (notAfter: number | null, by: number): void => {
    if (notAfter === null) return;
    const start = startOf(notAfter, narrow);
    counted.set(start, (counted.get(start) ?? 0) + by);
  };
  return {
    add: (notAfter) => count(notAfter, 1),
    remove: (notAfter) => count(notAfter, -1),
    flush() {
      for (const [start, served] of counted) {
        if (served === 0) continue;
        for (const width of WIDTHS_MS) {
          upsert.run(width, startOf(start, width), served);
          if (served < 0) clean.run(width, startOf(start, width));
        }
      }
      counted.clear();
    },
    forget: () => counted.clear(),
  };
}

/** Counts all certificates of the served generation, in the place of what was counted; within the transaction of the caller. */
export function recountEnds(database: DatabaseSync): void {
  database.exec('DELETE FROM ends');
  const count = database.prepare(
    `INSERT INTO ends (width, starts_at, served)
     SELECT :width, not_after - ((not_after % :width) + :width) % :width AS start, count(*) FROM certificates WHERE not_after IS NOT NULL GROUP BY start`,
  );
  for (const width of WIDTHS_MS) count.run({ width });
}

/** What can be asked about the ends of the certificates of a generation. */
export interface EndReader {
  countServed(): number;
  countEnding(at: Date): number;
}

/** Makes the reader of a generation. */
export function createEndReader(database: DatabaseSync, suffix: string): EndReader {
  const all = database.prepare(`SELECT total(served) AS n FROM ends${suffix} WHERE width = ?`);
  const stretches = database.prepare(
    `SELECT total(served) AS n FROM ends${suffix} WHERE width = ? AND starts_at >= ? AND starts_at < ?`,
  );
  const rest = database.prepare(
    `SELECT count(*) AS n FROM certificates${suffix} WHERE not_after >= ? AND not_after < ?`,
  );
  const [day, narrow] = WIDTHS_MS;
  return {
    countServed: () => Number(all.get(day)?.['n']),
    countEnding(at) {
      const end = at.getTime();
      const [dayStart, narrowStart] = [startOf(end, day), startOf(end, narrow)];
      const days = stretches.get(day, Number.MIN_SAFE_INTEGER, dayStart)?.['n'];
      const narrows = stretches.get(narrow, dayStart, narrowStart)?.['n'];
      return Number(days) + Number(narrows) + Number(rest.get(narrowStart, end)?.['n']);
    },
  };
}
