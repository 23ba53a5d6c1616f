/** The replica's tables and indexes. */
import { FOLLOWING_SCHEMA } from '../following.ts';
import { endsSchemaOf } from './ends.ts';
import { hoursSchemaOf } from './hours.ts';
import { ledgerSchemaOf } from './ledger.ts';
import { traitsSchemaOf } from './traits.ts';

/** "crep" in ASCII: marks the file as ours. */
export const APPLICATION_ID = 0x63726570;

/**
 * Raised with every change of the tables, of the state in them, or of how `judgedColumns` reckons, since the check in the background takes other values for
 * damage; a file of another version is set aside and rebuilt.
 */
export const SCHEMA_VERSION = 21;

/** Which of a file's two sets of tables: those that are served, or those that are being built beside them. */
export type Generation = 'served' | 'building';

const TABLES = [
  'bus',
  'certificates',
  'states',
  'names',
  'issuances',
  'issuers',
  'issuer_copies',
  'root_events',
  'ends',
  'ledger',
  'traits',
  'hours',
] as const;

/** A table of a generation. */
export type Table = (typeof TABLES)[number];

/** What the tables of a generation are called behind their name. */
export const suffixOf = (generation: Generation): string => (generation === 'served' ? '' : '_building');

/**
 * The tables of a generation. `states.state` is the JSON of a `ManagedCertificate`, of three kilobytes; what queries look for stands
 * in `certificates`, apart from it, so that an index is made of a table that is a thirtieth of the size. A removed certificate stays, so that
 * its removal can be told to those who ask what changed. `issuances` has the open ones, in the replica of a client only. `bus.is_complete`: the
 * head of the bus was reached once, and there are indexes. `bus.changes` rises with every write that readers should see;
 * `certificates.plain_names` is JSON of its names where the columns say all that a list shows, so that it reads no state; `certificates.served_position` is where what is served of it last changed; `certificates.obtained` is the position of the commit with what is served, where that is known; `certificates.retired_until` is when the last leaf of a removed one ends; `certificates.lost_since` is when its names were first found lost; `certificates.traits` is a number of the table `traits`.
 *
 * Rows of `bus` and `states` say by themselves which build of the replica and which position they are of, and have a digest over all
 * that ({@link digestOf}), so that each can be checked without the rest of the file. Every build of the tables has the next `build`. All
 * certificates of an issuer need its one row, so there is a second. `bus.lost` is set where a damaged file was salvaged.
 */
export function schemaOf(generation: Generation): string {
  const suffix = suffixOf(generation);
  return `
  CREATE TABLE bus${suffix} (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    bus_id TEXT NOT NULL,
    position INTEGER NOT NULL,
    checkpoint TEXT NOT NULL,
    state TEXT NOT NULL,
    holder TEXT,
    settled INTEGER NOT NULL DEFAULT 0,
    is_complete INTEGER NOT NULL DEFAULT 0,
    changes INTEGER NOT NULL DEFAULT 0,
    build INTEGER NOT NULL,
    is_served INTEGER NOT NULL,
    lost INTEGER,
    digest INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE certificates${suffix} (
    number INTEGER PRIMARY KEY,
    certificate_id TEXT NOT NULL UNIQUE,
    position INTEGER NOT NULL,
    served_position INTEGER,
    name_set TEXT,
    plain_names TEXT,
    next_action_at INTEGER,
    wanted_at INTEGER,
    paused_until INTEGER,
    urgent_at INTEGER,
    failing TEXT,
    issued_by INTEGER,
    not_after INTEGER,
    issued_at INTEGER,
    obtained INTEGER,
    retired_until INTEGER,
    lost_since INTEGER,
    traits INTEGER NOT NULL,
    removed INTEGER NOT NULL,
    build INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE states${suffix} (
    number INTEGER PRIMARY KEY,
    of_build INTEGER NOT NULL,
    of_position INTEGER NOT NULL,
    digest INTEGER NOT NULL,
    state TEXT NOT NULL
  ) STRICT;
  CREATE TABLE names${suffix} (
    name TEXT NOT NULL,
    number INTEGER NOT NULL
  ) STRICT;
  CREATE TABLE issuances${suffix} (certificate_id TEXT PRIMARY KEY, issuance_id TEXT NOT NULL) STRICT;
  CREATE TABLE issuers${suffix} (hash TEXT PRIMARY KEY, certificate BLOB NOT NULL) STRICT;
  CREATE TABLE issuer_copies${suffix} (hash TEXT PRIMARY KEY, certificate BLOB NOT NULL) STRICT;
  CREATE TABLE root_events${suffix} (
    sequence INTEGER PRIMARY KEY,
    position INTEGER NOT NULL,
    envelope TEXT NOT NULL
  ) STRICT;
  ${endsSchemaOf(suffix)}
  ${ledgerSchemaOf(suffix)}
  ${traitsSchemaOf(suffix)}
  ${hoursSchemaOf(suffix)}`;
}

/** The columns of a table, in the order in which its rows have them. */
export function columnsOf(table: Table): readonly string[] {
  const [, columns = ''] = new RegExp(`CREATE TABLE ${table} \\(([^;]*)\\) STRICT;`).exec(schemaOf('served')) ?? [];
  return columns.split(/,(?![^(]*\))/).map((column) => column.trim().split(' ')[0] ?? '');
}

/**
 * The indexes of a generation, made after a bulk load: names come in no order, and an index that grows with them is written
 * again and again. They outlive the renaming of their tables, so each set has names of its
 * own: `mark` is unlike that of any set before.
 */
export function indexesOf(generation: Generation, mark: string): string {
  const suffix = suffixOf(generation);
  return `
  CREATE UNIQUE INDEX names_by_name_${mark} ON names${suffix} (name, number);
  CREATE INDEX certificates_by_position_${mark} ON certificates${suffix} (position);
  CREATE INDEX certificates_by_name_set_${mark} ON certificates${suffix} (name_set) WHERE removed = 0 AND name_set IS NOT NULL;
  CREATE INDEX certificates_by_next_action_${mark} ON certificates${suffix} (next_action_at) WHERE next_action_at IS NOT NULL;
  CREATE INDEX certificates_by_pause_${mark} ON certificates${suffix} (paused_until, wanted_at) WHERE paused_until IS NOT NULL;
  CREATE INDEX certificates_by_urgency_${mark} ON certificates${suffix} (urgent_at) WHERE urgent_at IS NOT NULL;
  CREATE INDEX certificates_by_failing_${mark} ON certificates${suffix} (failing) WHERE failing IS NOT NULL;
  CREATE INDEX certificates_by_issuer_${mark} ON certificates${suffix} (issued_by, not_after) WHERE issued_by IS NOT NULL;
  CREATE INDEX certificates_by_not_after_${mark} ON certificates${suffix} (not_after) WHERE not_after IS NOT NULL;
  CREATE INDEX certificates_by_retirement_${mark} ON certificates${suffix} (retired_until) WHERE retired_until IS NOT NULL;
  CREATE INDEX certificates_by_loss_${mark} ON certificates${suffix} (lost_since) WHERE lost_since IS NOT NULL;`;
}

const MARK = 'mark';

/** Everything that can be in a replica's file. */
export const SCHEMA: string = [
  ...(['served', 'building'] as const).flatMap((generation) => [schemaOf(generation), indexesOf(generation, MARK)]),
  FOLLOWING_SCHEMA,
].join('\n');

/** The tables that every replica's file has. */
export const LASTING_TABLES: readonly string[] = [...TABLES, 'following'];

/** A statement of a replica's file as it was made: a table that was built is renamed since, and each set of indexes has a mark of its own. */
export function originalOf(statement: string): string {
  return statement
    .replace(/^CREATE TABLE "(\w+)"/, 'CREATE TABLE $1')
    .replace(/^(CREATE (?:UNIQUE )?INDEX \w+?)_[0-9a-z]+_[0-9a-z]+ ON "?(\w+)"?/, `$1_${MARK} ON $2`);
}

/** Puts the tables that were built in the place of those that were served. */
export const SWAP: string = TABLES.map(
  (table) => `DROP TABLE ${table}; ALTER TABLE ${table}${suffixOf('building')} RENAME TO ${table};`,
).join('\n');

/** Removes tables that are being built, or that an interrupted process left. */
export const ABANDON: string = TABLES.map((table) => `DROP TABLE IF EXISTS ${table}${suffixOf('building')};`).join(
  '\n',
);

/** Marks a file as ours. */
export const MARKS: string = `PRAGMA application_id = ${APPLICATION_ID}; PRAGMA user_version = ${SCHEMA_VERSION};`;
