/** Counts certificates by the hour when a manager acts on them next, so that a plan of a million reads some hundred rows. */
import type { DatabaseSync } from 'node:sqlite';
import { conditionsOf, type Selection } from './selection.ts';
import { createTraitsReader, type Traits } from './traits.ts';

const HOUR_MS = 3_600_000;
/** Where there are those on which nobody will act. */
const NEVER = -1;

/** The table of a generation: how many certificates of the same traits are to be acted on in an hour, removed ones left out. */
export const hoursSchemaOf = (suffix: string): string => `
  CREATE TABLE hours${suffix} (
    traits INTEGER NOT NULL,
    hour INTEGER NOT NULL,
    certificates INTEGER NOT NULL,
    PRIMARY KEY (traits, hour)
  ) STRICT, WITHOUT ROWID;`;

/** A certificate as it is counted; `nextActionAt` in milliseconds since 1970, `null` for never. */
export interface CountedDuty {
  readonly traits: number;
  readonly nextActionAt: number | null;
}

/** Counts in the memory until the transaction is about to end. */
export interface HourCounter {
  /** `by` is -1 for what a certificate was before. */
  count(duty: CountedDuty, by: 1 | -1): void;
  /** Writes what was counted; within the transaction of the caller. */
  flush(): void;
  /** Forgets what was counted since the last flush. */
  forget(): void;
}

/** Makes the counter of a generation. */
export function createHourCounter(database: DatabaseSync, suffix: string): HourCounter {
  const counted = new Map<string, { readonly traits: number; readonly hour: number; certificates: number }>();
  const upsert = database.prepare(
    `INSERT INTO hours${suffix} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET certificates = certificates + excluded.certificates`,
  );
  const clean = database.prepare(`DELETE FROM hours${suffix} WHERE traits = ? AND hour = ? AND certificates = 0`);
  return {
    count({ traits, nextActionAt }, by) {
      const hour = nextActionAt === null ? NEVER : Math.max(0, Math.floor(nextActionAt / HOUR_MS));
      const key = `${traits} ${hour}`;
      const known = counted.get(key) ?? { traits, hour, certificates: 0 };
      known.certificates += by;
      counted.set(key, known);
    },
    flush() {
      for (const { traits, hour, certificates } of counted.values()) {
        if (certificates === 0) continue;
        upsert.run(traits, hour, certificates);
        if (certificates < 0) clean.run(traits, hour);
      }
      counted.clear();
    },
    forget: () => counted.clear(),
  };
}

/** Certificates that are alike, and act in the same hour. */
export interface DutyCount {
  readonly traits: Traits;
  /** Its beginning; `undefined` for never. */
  readonly hour: Date | undefined;
  readonly certificates: number;
}

/** What can be counted of certificates by what they have in common. */
export interface HourReader {
  /**
   * When the certificates that are selected are to be acted on next, by the hour. A selection by traits alone costs nothing; by anything else, every
   * certificate is looked at. Removed ones are not counted.
   */
  countDuties(selection: Selection): readonly DutyCount[];
}

const HOUR_OF = `CASE WHEN next_action_at IS NULL THEN ${NEVER} ELSE max(0, next_action_at / ${HOUR_MS}) END`;

/** Counts again what is served, after rows were taken away without being counted. */
export function recountHours(database: DatabaseSync): void {
  const counted = `SELECT traits, ${HOUR_OF} AS hour, count(*) FROM certificates WHERE removed = 0 GROUP BY 1, 2`;
  database.exec(`DELETE FROM hours; INSERT INTO hours (traits, hour, certificates) ${counted}`);
}

/** Makes the reader of a generation. */
export function createHourReader(database: DatabaseSync, suffix: string): HourReader {
  const traitsById = createTraitsReader(database, suffix);
  const selectHours = database.prepare(`SELECT traits, hour, certificates FROM hours${suffix}`);

  function rowsOf(selection: Selection) {
    const { all, values } = conditionsOf(suffix, selection);
    if (all.length === 0) return selectHours.all();
    const counted = `SELECT traits, ${HOUR_OF} AS hour, count(*) AS certificates FROM certificates${suffix}`;
    return database.prepare(`${counted} WHERE removed = 0 AND ${all.join(' AND ')} GROUP BY 1, 2`).all(values);
  }

  return {
    countDuties(selection) {
      const known = traitsById();
      return rowsOf(selection).flatMap((row) => {
        const traits = known.get(Number(row['traits']));
        if (!traits || !selection.traits(traits)) return [];
        const [hour, certificates] = [Number(row['hour']), Number(row['certificates'])];
        return [{ traits, hour: hour === NEVER ? undefined : new Date(hour * HOUR_MS), certificates }];
      });
    },
  };
}
