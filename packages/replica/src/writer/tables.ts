/** Writes one generation of a replica's tables. */
import type { DatabaseSync } from 'node:sqlite';
import type { CertificateEvent, ManagedCertificate } from '@certbus/events';
import {
  BEGINNING,
  type BusState,
  type Checkpoint,
  type Commit,
  EMPTY_BUS,
  evolve,
  evolveBus,
  type PlacedRootEvent,
} from '@certbus/events/history';
import { ReplicaError } from '../errors.ts';
import { createReader } from '../reader.ts';
import { type CertificateRow, certificateRow, type IssuerRow, issuerRow } from './rows.ts';
import { ABANDON, type Generation, indexesOf, MARKS, SWAP, schemaOf, suffixOf } from './schema.ts';

/** The state that a snapshot begins a generation with, apart from its records. */
export interface BeginningState {
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  readonly rootEvents: readonly PlacedRootEvent[];
}

const NOTHING: BeginningState = { checkpoint: BEGINNING, bus: EMPTY_BUS, rootEvents: [] };

/** Where an event stands, and whether its writer was expelled. */
interface EventContext {
  readonly position: number;
  readonly at: Date;
  readonly distrusted: true | undefined;
}

/** Takes what a bus says into one generation of a database's tables. */
export interface TableWriter {
  /**
   * Takes commits: certificates, names, issuers, bus state and position change in one transaction, which is what makes the
   * effect of every commit exactly once. Throws `CERTBUS_REPLICA_BEHIND` unless they follow directly on what there is.
   */
  apply(commits: readonly Commit[], checkpoint: Checkpoint): void;
  /** Takes what a snapshot holds, within a transaction of the caller's. */
  load(rows: readonly (CertificateRow | IssuerRow)[]): void;
}

const markOf = (): string => `${Date.now().toString(36)}_${Math.floor(Math.random() * 2 ** 32).toString(36)}`;

function inTransaction(database: DatabaseSync, work: () => void): void {
  database.exec('BEGIN IMMEDIATE');
  try {
    work();
    database.exec('COMMIT');
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

function begin(database: DatabaseSync, generation: Generation, busId: string, state: BeginningState): void {
  const suffix = suffixOf(generation);
  const { checkpoint, bus, rootEvents } = state;
  database
    .prepare(`INSERT INTO bus${suffix} (id, bus_id, position, checkpoint, state) VALUES (1, ?, ?, ?, ?)`)
    .run(busId, checkpoint.position, JSON.stringify(checkpoint), JSON.stringify(bus));
  const addRoot = database.prepare(`INSERT INTO root_events${suffix} VALUES (?, ?, ?)`);
  for (const { position, root } of rootEvents) addRoot.run(root.rootSequence, position, JSON.stringify(root));
}

/** Makes the tables for one bus in an empty database. */
export function createTables(database: DatabaseSync, busId: string): void {
  inTransaction(database, () => {
    database.exec(`${schemaOf('served')} ${indexesOf('served', markOf())} ${MARKS}`);
    begin(database, 'served', busId, NOTHING);
  });
}

/** Makes a second set of tables, empty or for a snapshot's records, in the place of what an interrupted build left. */
export function beginBuilding(database: DatabaseSync, busId: string, state: BeginningState = NOTHING): void {
  inTransaction(database, () => {
    database.exec(`${ABANDON} ${schemaOf('building')}`);
    begin(database, 'building', busId, state);
  });
}

/** Lets go of what was built. */
export function abandonBuilding(database: DatabaseSync): void {
  inTransaction(database, () => database.exec(ABANDON));
}

/** Makes the indexes of what was loaded. */
export function indexBuilding(database: DatabaseSync): void {
  inTransaction(database, () => database.exec(indexesOf('building', markOf())));
}

/** Puts what was built in the place of what was served, in one transaction: every reader sees the one or the other. */
export function serveBuilding(database: DatabaseSync): void {
  inTransaction(database, () => {
    database.exec('UPDATE bus_building SET (holder, settled) = (SELECT holder, settled FROM bus)');
    database.exec(SWAP);
  });
}

/** Makes the writer of one generation. */
export function createTableWriter(database: DatabaseSync, generation: Generation = 'served'): TableWriter {
  const suffix = suffixOf(generation);
  const reader = createReader(database, generation);
  const upsert = database.prepare(
    `INSERT INTO certificates${suffix} (certificate_id, position, name_set, next_action_at, wanted_at, paused_until, not_after, removed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (certificate_id) DO UPDATE SET position = excluded.position, name_set = excluded.name_set,
       next_action_at = excluded.next_action_at, wanted_at = excluded.wanted_at, paused_until = excluded.paused_until, not_after = excluded.not_after, removed = excluded.removed
     RETURNING number`,
  );
  const setState = database.prepare(
    `INSERT INTO states${suffix} VALUES (?, CAST(? AS TEXT)) ON CONFLICT (number) DO UPDATE SET state = excluded.state`,
  );
  const dropNames = database.prepare(`DELETE FROM names${suffix} WHERE certificate_id = ?`);
  const addName = database.prepare(`INSERT INTO names${suffix} (name, certificate_id) VALUES (?, ?)`);
  const addIssuer = database.prepare(
    `INSERT INTO issuers${suffix} (hash, certificate) VALUES (?, ?) ON CONFLICT DO NOTHING`,
  );
  const addRoot = database.prepare(`INSERT INTO root_events${suffix} VALUES (?, ?, ?)`);
  const moveOn = database.prepare(`UPDATE bus${suffix} SET position = ?, checkpoint = ?, state = ? WHERE position = ?`);

  function insert(row: CertificateRow): void {
    const { certificateId, position, nameSet, nextActionAt, wantedAt, pausedUntil, notAfter, removed, state, names } =
      row;
    const found = [nameSet, nextActionAt, wantedAt, pausedUntil, notAfter, Number(removed)];
    const stored = upsert.get(certificateId, position, ...found);
    setState.run(Number(stored?.['number']), state);
    for (const name of names) addName.run(name, certificateId);
  }

  function insertIssuer({ hash, issuer }: IssuerRow): void {
    addIssuer.run(hash, issuer);
  }

  function take(commits: readonly Commit[], checkpoint: Checkpoint): void {
    const changed = new Map<string, { certificate: ManagedCertificate; position: number; hadNames: boolean }>();
    let bus = reader.bus();
    const takeCertificateEvent = (event: CertificateEvent, { position, at, distrusted }: EventContext) => {
      const known = changed.get(event.certificateId);
      const before = known?.certificate ?? reader.certificate(event.certificateId);
      const certificate = evolve(before, event, { at, distrusted });
      const hadNames = known ? known.hadNames : before?.current !== undefined;
      if (certificate) changed.set(event.certificateId, { certificate, position, hadNames });
    };
    for (const commit of commits) {
      bus = evolveBus(bus, commit);
      const { position, at } = commit;
      for (const { event, root, distrusted } of commit.events) {
        if (event && 'certificateId' in event) takeCertificateEvent(event, { position, at, distrusted });
        if (event?.type === 'IssuerAdded') insertIssuer(issuerRow(event));
        if (root) addRoot.run(root.rootSequence, position, JSON.stringify(root));
      }
    }
    for (const { certificate, position, hadNames } of changed.values()) {
      if (hadNames) dropNames.run(certificate.certificateId);
      insert(certificateRow(certificate, position));
    }
    const before = (commits[0]?.position ?? 0) - 1;
    const { changes } = moveOn.run(checkpoint.position, JSON.stringify(checkpoint), JSON.stringify(bus), before);
    if (changes === 1) return;
    const what = `Commits from position ${before + 1} on do not follow on the replica, which is at ${reader.checkpoint().position}.`;
    throw new ReplicaError('CERTBUS_REPLICA_BEHIND', what);
  }

  return {
    apply(commits, checkpoint) {
      if (commits.length > 0) inTransaction(database, () => take(commits, checkpoint));
    },
    load(rows) {
      for (const row of rows) {
        if ('issuer' in row) insertIssuer(row);
        else insert(row);
      }
    },
  };
}
