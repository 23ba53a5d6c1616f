/** Makes a replica's tables of what can still be read of a damaged file. */
import type { DatabaseSync } from 'node:sqlite';
import { type ManagedCertificate, sha256 } from '@certbus/events';
import { BEGINNING, EMPTY_BUS } from '@certbus/events/history';
import { ReplicaError } from '../errors.ts';
import { recountEnds } from '../writer/ends.ts';
import { recountHours } from '../writer/hours.ts';
import type { ReplicaFile } from '../writer/replica-file.ts';
import { type CertificateRow, certificateRow, type IssuerRow, namesOf } from '../writer/rows.ts';
import { columnsOf, type Table } from '../writer/schema.ts';
import { begin, createBareTables, createTableWriter } from '../writer/tables.ts';
import { busDigestOf, digestOf } from './digest.ts';
import { openRaw, type RawFile } from './raw-file.ts';
import { rawRows, type Value } from './raw-rows.ts';

/** What came of a damaged file. */
export interface Salvage {
  /** Certificates that were read and checked, removed ones included. */
  readonly kept: number;
  /**
   * Certificates that the file is known to have held in a newer state than any that reads. None of them is served. An entry of which only the
   * id is damaged counts as one, too.
   */
  readonly lost: number;
}

type Row = Readonly<Record<string, Value>>;

/** A row by the names of its columns, where it can be one of this table. */
function rowOf(table: Table, values: readonly Value[]): Row | undefined {
  const columns = COLUMNS[table];
  return values.length === columns.length
    ? Object.fromEntries(columns.map((column, n) => [column, values[n] ?? null]))
    : undefined;
}

const COLUMNS = Object.fromEntries(
  (['bus', 'certificates', 'states', 'issuers', 'root_events'] as const).map((table) => [table, columnsOf(table)]),
) as Readonly<Record<Table, readonly string[]>>;

/** A certificate's state that is as it was written. */
interface FoundState {
  readonly build: number;
  readonly position: number;
  readonly state: string;
}

function stateIn(values: readonly Value[], busId: string): FoundState | undefined {
  const row = rowOf('states', values);
  const state = row?.['state'];
  if (!row || typeof state !== 'string') return undefined;
  const origin = { busId, build: Number(row['of_build']), position: Number(row['of_position']) };
  return digestOf(origin, state) === row['digest'] ? { ...origin, state } : undefined;
}

/** The row of a bus itself that is as it was written. */
interface FoundBus {
  readonly busId: string;
  readonly build: number;
  readonly position: number;
  readonly checkpoint: string;
  readonly state: string;
  readonly isServed: boolean;
  readonly isSettled: boolean;
  readonly isComplete: boolean;
}

function busIn(values: readonly Value[]): FoundBus | undefined {
  const row = rowOf('bus', values);
  const [busId, checkpoint, state] = [row?.['bus_id'], row?.['checkpoint'], row?.['state']];
  if (!row || typeof busId !== 'string' || typeof checkpoint !== 'string' || typeof state !== 'string')
    return undefined;
  const origin = { busId, build: Number(row['build']), position: Number(row['position']) };
  const found = { checkpoint, state, isComplete: row['is_complete'] === 1 };
  if (busDigestOf(origin, found) !== row['digest']) return undefined;
  return { ...origin, ...found, isServed: row['is_served'] === 1, isSettled: row['settled'] === 1 };
}

/** What a file is found to be before anything is taken from it. */
interface Survey {
  /** The build that is served; `undefined` where the file has nothing of this bus. */
  readonly build: number | undefined;
  readonly bus: FoundBus | undefined;
}

/**
 * Finds which build is served: pages that are free now can have rows of an earlier one, and another may be under way. Throws
 * `CERTBUS_REPLICA_OTHER_BUS`.
 */
function survey(file: RawFile, path: string, busId: string): Survey {
  const reached = new Map<number, number>();
  const buses: FoundBus[] = [];
  for (const values of rawRows(file)) {
    const state = stateIn(values, busId);
    const bus = state ? undefined : busIn(values);
    if (state) reached.set(state.build, Math.max(state.position, reached.get(state.build) ?? 0));
    if (bus) buses.push(bus);
  }
  const ours = buses.filter((bus) => bus.busId === busId).sort((a, b) => b.position - a.position);
  if (buses.length > ours.length && ours.length === 0 && reached.size === 0) throw otherBus(path);
  for (const { build, position } of ours) reached.set(build, Math.max(position, reached.get(build) ?? 0));
  for (const { build, isServed } of ours) if (!isServed) reached.delete(build);
  const [build, position = 0] = [...reached].sort(([a, at], [b, bt]) => bt - at || b - a)[0] ?? [];
  // One that is behind its certificates is of before the damage: commits that follow on it would make them older.
  const reaching = ours.filter((bus) => bus.build === build && bus.position === position);
  // Free pages can have one of the same position that is of before it was complete.
  return { build, bus: reaching.find(({ isComplete }) => isComplete) ?? reaching[0] };
}

/** The error of a file that is a sound replica of another bus. */
export function otherBus(path: string): ReplicaError {
  return new ReplicaError(
    'CERTBUS_REPLICA_OTHER_BUS',
    `The replica ${path} belongs to another bus than the trust file names. Is bus.pub that of this bus? If the bus was made again, remove the file.`,
  );
}

function beginTables(
  database: DatabaseSync,
  { busId, build, bus }: { busId: string; build: number; bus: Survey['bus'] },
) {
  createBareTables(database);
  begin(database, 'served', {
    busId,
    build,
    checkpoint: bus ? JSON.parse(bus.checkpoint) : BEGINNING,
    bus: bus ? JSON.parse(bus.state) : EMPTY_BUS,
    rootEvents: [],
  });
  database.prepare('UPDATE bus SET settled = ?').run(Number(bus?.isSettled ?? false));
  database.exec('CREATE TEMP TABLE expected (certificate_id TEXT PRIMARY KEY, position INTEGER NOT NULL) STRICT');
}

/** Takes each row that is as it was written, of a certificate the newest. */
function take(
  file: RawFile,
  database: DatabaseSync,
  { busId, build, role }: Pick<ReplicaFile, 'busId' | 'role'> & { readonly build: number },
): void {
  const writer = createTableWriter(database, { role });
  const load = (row: CertificateRow | IssuerRow) => writer.load({ rows: [row], issuances: [], ledger: [] });
  const selectTaken = database.prepare('SELECT number, position FROM certificates WHERE certificate_id = ?');
  const drop = ['certificates', 'states'].map((table) => database.prepare(`DELETE FROM ${table} WHERE number = ?`));
  const expect = database.prepare(
    'INSERT INTO expected VALUES (?, ?) ON CONFLICT DO UPDATE SET position = max(position, excluded.position)',
  );
  const addRoot = database.prepare('INSERT INTO root_events VALUES (?, ?, ?) ON CONFLICT DO NOTHING');

  function takeState({ position, state }: FoundState): void {
    const certificate: ManagedCertificate = JSON.parse(state);
    const before = selectTaken.get(certificate.certificateId);
    if (before && Number(before['position']) >= position) return;
    if (before) for (const each of drop) each.run(Number(before['number']));
    // The names come last: here they would have to be taken back for each newer state.
    load({ ...certificateRow(certificate, { position, servedPosition: position, role }), names: [] });
  }
  function takeExpected(row: Row): void {
    const [id, position] = [row['certificate_id'], row['position']];
    if (typeof id === 'string' && typeof position === 'number' && row['build'] === build) expect.run(id, position);
  }
  function takeIssuer({ hash, certificate }: Row): void {
    if (hash && certificate instanceof Buffer && sha256(certificate) === hash) load({ hash, issuer: certificate });
  }
  function takeRoot({ position, envelope }: Row): void {
    try {
      const { rootSequence } = JSON.parse(String(envelope));
      if (Number.isInteger(rootSequence)) addRoot.run(rootSequence, Number(position), String(envelope));
    } catch (error) {
      // What the bus is read again for, in any case.
      if (!(error instanceof SyntaxError)) throw error;
    }
  }
  for (const values of rawRows(file)) {
    const state = stateIn(values, busId);
    if (state?.build === build) takeState(state);
    const [certificate, issuer, root] = [
      rowOf('certificates', values),
      rowOf('issuers', values),
      rowOf('root_events', values),
    ];
    if (certificate) takeExpected(certificate);
    if (issuer) takeIssuer(issuer);
    if (root) takeRoot(root);
  }
}

/** Drops each certificate that is known to have been in a newer state, and counts them with those of which nothing was found. */
function dropOutdated(database: DatabaseSync): number {
  const outdated =
    'expected LEFT JOIN certificates USING (certificate_id) WHERE coalesce(certificates.position, 0) < expected.position';
  const lost = Number(database.prepare(`SELECT count(*) AS n FROM ${outdated}`).get()?.['n']);
  database.exec(`
    DELETE FROM states WHERE number IN (SELECT number FROM ${outdated});
    DELETE FROM certificates WHERE number NOT IN (SELECT number FROM states);`);
  return lost;
}

const PAGE = 500;

function addNames(database: DatabaseSync): void {
  const select = database.prepare('SELECT number, state FROM states WHERE number > ? ORDER BY number LIMIT ?');
  const add = database.prepare('INSERT INTO names (name, number) VALUES (?, ?)');
  for (let last = 0; ; ) {
    const rows = select.all(last, PAGE);
    for (const { number, state } of rows) {
      const certificate: ManagedCertificate = JSON.parse(String(state));
      for (const name of namesOf(certificate)) add.run(name, Number(number));
    }
    const end = rows.at(-1);
    if (!end) return;
    last = Number(end['number']);
  }
}

/**
 * Fills an empty database with every row of a damaged replica that can be checked by itself. The file is read page by page, without its header,
 * its indexes or the pages between root and leaf, so that damage in those loses nothing. Nothing is taken in an older state than the file is
 * known to have held. Which issuances are open is not taken: challenges end at their expiry. `undefined` where the file has nothing of this bus that was served. Throws `CERTBUS_REPLICA_OTHER_BUS`.
 */
export function salvage(database: DatabaseSync, { path, busId, role }: ReplicaFile): Salvage | undefined {
  const file = openRaw(path);
  try {
    const { build, bus } = survey(file, path, busId);
    // Nothing was served yet of one that never reached the head of its bus.
    if (build === undefined || bus?.isComplete === false) return undefined;
    database.exec('BEGIN');
    beginTables(database, { busId, build, bus });
    take(file, database, { busId, build, role });
    const lost = dropOutdated(database);
    addNames(database);
    recountEnds(database);
    recountHours(database);
    database.exec('DROP TABLE expected');
    createTableWriter(database, { role }).complete();
    database.prepare('UPDATE bus SET lost = ?').run(lost);
    database.exec('COMMIT');
    return { kept: Number(database.prepare('SELECT count(*) AS n FROM certificates').get()?.['n']), lost };
  } finally {
    file[Symbol.dispose]();
  }
}
