/** Lists certificates in the order in which they are stored, and reads a state only where there is more to say than columns hold. */
import type { DatabaseSync } from 'node:sqlite';
import type { ManagedCertificate } from '@certbus/events';
import { createTraitsReader, type Traits } from './traits.ts';

/**
 * A certificate that is served and renewed here, and of which nothing else is to be told: no renewal of it is open or has failed, its names
 * are ours, its CA has not revoked it, and no expelled manager obtained it.
 */
export interface PlainCertificate
  extends Pick<ManagedCertificate, 'certificateId' | 'names' | 'challengeType' | 'directory' | 'keyType'> {
  /** When what is served ends, as all instants here in milliseconds since 1970. */
  readonly notAfter: number;
  /** From when on a sixth of its lifetime or less is left. */
  readonly urgentAt: number;
  /** When it is to be renewed. */
  readonly wantedAt: number;
}

/** A certificate in a list: its dates where they say all, else everything. */
export type ListedCertificate = PlainCertificate | ManagedCertificate;

/** What lists are made of. */
export interface ListingReader {
  /**
   * All that are not removed, in an order that stays, read page by page. Of one whose columns say all there is, its state is not read, and
   * not checked: the check in the background compares them; of a client's replica every state is.
   */
  listed(): Iterable<ListedCertificate>;
}

type Row = Readonly<Record<string, unknown>>;

const PAGE = 500;
const COLUMNS = 'number, certificate_id, plain_names, traits, not_after, urgent_at, wanted_at';

/** The names in a column, where they were not damaged. */
function namesIn(column: unknown): readonly string[] | undefined {
  try {
    return JSON.parse(String(column)) ?? undefined;
  } catch {
    return undefined;
  }
}

/** `undefined` where columns do not say all, or what they say is damaged. */
function plainOf(row: Row, { challengeType, directory, keyType }: Traits): PlainCertificate | undefined {
  const names = namesIn(row['plain_names']);
  return (
    names && {
      certificateId: String(row['certificate_id']),
      names,
      challengeType,
      directory,
      keyType,
      notAfter: Number(row['not_after']),
      urgentAt: Number(row['urgent_at']),
      wantedAt: Number(row['wanted_at']),
    }
  );
}

/** Makes the reader of a generation. `stateOf` reads and checks the state with a number; none where it is damaged and passed over. */
export function createListingReader(
  database: DatabaseSync,
  suffix: string,
  stateOf: (number: number) => readonly ManagedCertificate[],
): ListingReader {
  const select = database.prepare(
    `SELECT ${COLUMNS} FROM certificates${suffix} WHERE number > ? AND removed = 0 ORDER BY number LIMIT ?`,
  );
  const readTraits = createTraitsReader(database, suffix);

  return {
    *listed() {
      let traits = readTraits();
      for (let last = 0; ; ) {
        const rows = select.all(last, PAGE);
        for (const row of rows) {
          const id = Number(row['traits']);
          // Another process may have added some since.
          if (!traits.has(id)) traits = readTraits();
          const known = traits.get(id);
          const plain = known && plainOf(row, known);
          if (plain) yield plain;
          else yield* stateOf(Number(row['number'])).filter(({ removed }) => !removed);
        }
        const end = rows.at(-1);
        if (!end || rows.length < PAGE) return;
        last = Number(end['number']);
      }
    },
  };
}
