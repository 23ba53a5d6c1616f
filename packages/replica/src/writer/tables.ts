/** Writes one generation of a replica's tables. */
import type { DatabaseSync } from 'node:sqlite';
import type { CertificateEvent, ManagedCertificate } from '@certbus/events';
import {
  BEGINNING,
  type BusState,
  type Checkpoint,
  type Commit,
  EMPTY_BUS,
  endChallenges,
  evolve,
  evolveBus,
  ledgerEntries,
  type PlacedRootEvent,
} from '@certbus/events/history';
import {
  busDigestOf,
  CHECKED_BUS,
  CHECKED_STATE,
  checkedBus,
  checkedState,
  damaged,
  digestOf,
} from '../checking/digest.ts';
import { ReplicaError } from '../errors.ts';
import { FOLLOWING_SCHEMA } from '../following.ts';
import { type Change, createReader } from '../reader.ts';
import { createEndCounter } from './ends.ts';
import { type CountedDuty, createHourCounter, type HourCounter } from './hours.ts';
import { createLedgerWriter } from './ledger.ts';
import { isKept, keptPart, type ReplicaRole } from './role.ts';
import { type CertificateRow, certificateRow, type IssuerRow, issuerRow, type LoadedRows, namesOf } from './rows.ts';
import { ABANDON, type Generation, indexesOf, MARKS, SWAP, schemaOf, suffixOf } from './schema.ts';
import { isServedAlike } from './served.ts';
import { createTraitsWriter } from './traits.ts';

/** The state that a snapshot begins a generation with, apart from its records. */
export interface BeginningState {
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  readonly rootEvents: readonly PlacedRootEvent[];
}

const NOTHING: BeginningState = { checkpoint: BEGINNING, bus: EMPTY_BUS, rootEvents: [] };

/** Takes what a bus says into one generation of a database's tables. */
export interface TableWriter {
  /**
   * Takes commits within a transaction of the caller's: certificates, names, issuers, bus state and position change in one, which is what
   * makes the effect of every commit exactly once. Returns the certificates that changed. Throws `CERTBUS_REPLICA_BEHIND` unless they follow
   * directly on what there is.
   */
  take(commits: readonly Commit[], checkpoint: Checkpoint): readonly Change[];
  /** Takes what a snapshot holds, within a transaction of the caller's. */
  load(loaded: Pick<LoadedRows, 'rows' | 'issuances' | 'ledger'>): void;
  /** Makes the indexes where there are none yet, after bulk work, within a transaction of the caller's, and marks the tables as complete. */
  complete(): void;
  /** Whether there are no indexes yet. */
  readonly isBulk: boolean;
}

const markOf = (): string => `${Date.now().toString(36)}_${Math.floor(Math.random() * 2 ** 32).toString(36)}`;

/** Does work in a transaction of its own. */
export function inTransaction<T>(database: DatabaseSync, work: () => T): T {
  database.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw error;
  }
}

/** Which bus a generation is of, and which build of the tables it is. */
interface Origin {
  readonly busId: string;
  readonly build: number;
}

const FIRST_BUILD = 1;

/** Puts the row of the bus and the root events into a generation's empty tables. */
export function begin(
  database: DatabaseSync,
  generation: Generation,
  { busId, build, checkpoint, bus, rootEvents }: Origin & BeginningState,
): void {
  const suffix = suffixOf(generation);
  const { position } = checkpoint;
  const [reached, state] = [JSON.stringify(checkpoint), JSON.stringify(bus)];
  database
    .prepare(
      `INSERT INTO bus${suffix} (id, bus_id, position, checkpoint, state, build, is_served, digest) VALUES (1, ?, ?, ?, ?, ?, ?, ?)`,
    )
    .run(
      busId,
      position,
      reached,
      state,
      build,
      Number(generation === 'served'),
      busDigestOf({ busId, build, position }, { checkpoint: reached, state, isComplete: false }),
    );
  const addRoot = database.prepare(`INSERT INTO root_events${suffix} VALUES (?, ?, ?)`);
  for (const { position, root } of rootEvents) addRoot.run(root.rootSequence, position, JSON.stringify(root));
}

function originOf(database: DatabaseSync, generation: Generation): Origin {
  const row = database.prepare(`SELECT bus_id, build FROM bus${suffixOf(generation)}`).get();
  return { busId: String(row?.['bus_id']), build: Number(row?.['build']) };
}

/** Makes the tables for one bus in an empty database; the indexes come with {@link TableWriter.complete}. */
export function createTables(database: DatabaseSync, busId: string): void {
  inTransaction(database, () => {
    createBareTables(database);
    begin(database, 'served', { busId, build: FIRST_BUILD, ...NOTHING });
  });
}

/** Makes empty tables without an index, within a transaction of the caller's. */
export function createBareTables(database: DatabaseSync): void {
  database.exec(`${schemaOf('served')} ${FOLLOWING_SCHEMA} ${MARKS}`);
}

/** Makes a second set of tables, empty or for a snapshot's records, in the place of what an interrupted build left. */
export function beginBuilding(database: DatabaseSync, busId: string, state: BeginningState = NOTHING): void {
  inTransaction(database, () => {
    database.exec(`${ABANDON} ${schemaOf('building')}`);
    const build = originOf(database, 'served').build + 1;
    begin(database, 'building', { busId, build, ...state });
  });
}

/** Removes what was built. */
export function abandonBuilding(database: DatabaseSync): void {
  inTransaction(database, () => database.exec(ABANDON));
}

/** Puts what was built in the place of what was served, in one transaction: every reader sees the one or the other. */
export function serveBuilding(database: DatabaseSync): void {
  inTransaction(database, () => {
    database.exec(
      'UPDATE bus_building SET (holder, settled, is_served, changes) = (SELECT holder, settled, 1, changes + 1 FROM bus)',
    );
    database.exec(SWAP);
  });
}

/** As many removed certificates a write forgets what has ended of: no commit takes longer for how many ended at once. */
const MAX_CLEARED = 20;

/** The statements that write one generation. */
function prepareStatements(database: DatabaseSync, generation: Generation) {
  const suffix = suffixOf(generation);
  const prepare = (sql: string) => database.prepare(sql);
  return {
    find: prepare(
      `SELECT number, next_action_at, traits, removed, ${CHECKED_STATE} FROM certificates${suffix} CROSS JOIN states${suffix} USING (number) WHERE certificate_id = ?`,
    ),
    add: prepare(
      `INSERT INTO certificates${suffix} (certificate_id, position, served_position, name_set, plain_names, next_action_at, wanted_at, paused_until, urgent_at, failing, issued_by, not_after, issued_at, obtained, retired_until, lost_since, traits, removed, build) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ),
    change: prepare(
      `UPDATE certificates${suffix} SET position = ?, served_position = coalesce(?, served_position), name_set = ?, plain_names = ?, next_action_at = ?, wanted_at = ?, paused_until = ?, urgent_at = ?, failing = ?, issued_by = ?, not_after = ?, issued_at = ?, obtained = ?, retired_until = ?, lost_since = ?, traits = ?, removed = ? WHERE number = ?`,
    ),
    addState: prepare(
      `INSERT INTO states${suffix} (number, of_build, of_position, digest, state) VALUES (?, ?, ?, ?, CAST(? AS TEXT))`,
    ),
    changeState: prepare(
      `UPDATE states${suffix} SET of_build = ?, of_position = ?, digest = ?, state = CAST(? AS TEXT) WHERE number = ?`,
    ),
    findEnded: prepare(
      `SELECT certificate_id FROM certificates${suffix} WHERE retired_until <= ? LIMIT ${MAX_CLEARED}`,
    ),
    lastNumber: prepare(`SELECT max(number) AS last, count(*) AS count FROM certificates${suffix}`),
    renumber: prepare(`UPDATE certificates${suffix} SET number = ? WHERE number = ?`),
    renumberState: prepare(`UPDATE states${suffix} SET number = ? WHERE number = ?`),
    addName: prepare(`INSERT INTO names${suffix} (name, number) VALUES (?, ?)`),
    dropName: prepare(`DELETE FROM names${suffix} WHERE name = ? AND number = ?`),
    dropStrayNames: prepare(
      `DELETE FROM names${suffix} WHERE number NOT IN (SELECT number FROM certificates${suffix})`,
    ),
    findIssuance: prepare(`SELECT issuance_id FROM issuances${suffix} WHERE certificate_id = ?`),
    openIssuance: prepare(`INSERT OR REPLACE INTO issuances${suffix} (certificate_id, issuance_id) VALUES (?, ?)`),
    closeIssuance: prepare(`DELETE FROM issuances${suffix} WHERE certificate_id = ?`),
    addIssuer: prepare(`INSERT INTO issuers${suffix} (hash, certificate) VALUES (?, ?) ON CONFLICT DO NOTHING`),
    addIssuerCopy: prepare(
      `INSERT INTO issuer_copies${suffix} (hash, certificate) VALUES (?, ?) ON CONFLICT DO NOTHING`,
    ),
    addRoot: prepare(`INSERT INTO root_events${suffix} VALUES (?, ?, ?)`),
    selectBus: prepare(`SELECT ${CHECKED_BUS} FROM bus${suffix}`),
    moveOn: prepare(
      `UPDATE bus${suffix} SET position = ?, checkpoint = ?, state = ?, digest = ?, changes = changes + 1 WHERE position = ?`,
    ),
    complete: prepare(`UPDATE bus${suffix} SET is_complete = 1, digest = ?, changes = changes + 1`),
    hasIndexes: prepare(
      `SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'names${suffix}') AS found`,
    ),
  };
}

type Statements = ReturnType<typeof prepareStatements>;

const columnsOf = (row: CertificateRow, traits: number) =>
  [
    row.position,
    row.servedPosition,
    row.nameSet,
    row.plainNames,
    row.nextActionAt,
    row.wantedAt,
    row.pausedUntil,
    row.urgentAt,
    row.failing,
    row.issuedBy,
    row.notAfter,
    row.issuedAt,
    row.obtained,
    row.retiredUntil,
    row.lostSince,
    traits,
    Number(row.removed),
  ] as const;

const endOf = (certificate: ManagedCertificate | undefined): number | null =>
  certificate?.current ? Date.parse(certificate.current.notAfter) : null;

/** A certificate as the tables have it. */
interface StoredCertificate {
  readonly number: number;
  /** Of its last event. */
  readonly position: number;
  readonly certificate: ManagedCertificate;
  /** As it is counted; `undefined` for one that was removed. */
  readonly duty: CountedDuty | undefined;
}

/** Writes certificates and their names. */
function createCertificateWriter(
  statements: Statements,
  {
    origin,
    traitsIn,
    hours,
  }: { readonly origin: Origin; readonly traitsIn: (traits: string) => number; readonly hours: HourCounter },
) {
  const { add, addState, addName, change, changeState, dropName, renumber, renumberState } = statements;

  const checkedColumnsOf = ({ position, state }: CertificateRow) =>
    [origin.build, position, digestOf({ ...origin, position }, state), state] as const;

  function insert(row: CertificateRow): void {
    const traits = traitsIn(row.traits);
    if (!row.removed) hours.count({ traits, nextActionAt: row.nextActionAt }, 1);
    const number = Number(add.run(row.certificateId, ...columnsOf(row, traits), origin.build).lastInsertRowid);
    addState.run(number, ...checkedColumnsOf(row));
    for (const name of row.names) addName.run(name, number);
  }

  /** Gives a certificate whose names change another number: without an index, its names could only be found by reading all that there are. */
  function moveAway(number: number): number {
    const next = Number(statements.lastNumber.get()?.['last']) + 1;
    renumber.run(next, number);
    renumberState.run(next, number);
    return next;
  }

  function changeNames(number: number, before: readonly string[], { names }: CertificateRow): void {
    for (const name of before) if (!names.includes(name)) dropName.run(name, number);
    for (const name of names) if (!before.includes(name)) addName.run(name, number);
  }

  return {
    insert,
    find(certificateId: string): StoredCertificate | undefined {
      const row = statements.find.get(certificateId);
      if (!row) return undefined;
      const certificate = checkedState(row, origin.busId);
      if (certificate.certificateId !== certificateId)
        throw damaged(`the id ${JSON.stringify(certificateId)} leads to another certificate`);
      const nextActionAt = row['next_action_at'] === null ? null : Number(row['next_action_at']);
      const duty = row['removed'] === 1 ? undefined : { traits: Number(row['traits']), nextActionAt };
      return { number: Number(row['number']), position: Number(row['of_position']), certificate, duty };
    },
    update({ number, certificate, duty }: StoredCertificate, row: CertificateRow, isBulk: boolean): void {
      const before = namesOf(certificate);
      const isMoved = isBulk && before.some((name) => !row.names.includes(name));
      const now = isMoved ? moveAway(number) : number;
      const traits = traitsIn(row.traits);
      if (duty) hours.count(duty, -1);
      if (!row.removed) hours.count({ traits, nextActionAt: row.nextActionAt }, 1);
      change.run(...columnsOf(row, traits), now);
      changeState.run(...checkedColumnsOf(row), now);
      changeNames(now, isMoved ? [] : before, row);
    },
  };
}

/** Where an event stands, and whether its writer was expelled. */
interface EventContext {
  readonly position: number;
  readonly at: Date;
  readonly keyId: string;
  readonly distrusted: true | undefined;
}

/** A certificate that some commits change. */
interface Changed {
  readonly stored: StoredCertificate | undefined;
  certificate: ManagedCertificate | undefined;
  /** Position of the last event that changed it. */
  position: number;
  /** That of the last event that changed what is served of it; `null` where none did. */
  servedPosition: number | null;
}

/** Which issuances are open, for a client: challenges end with them. What some commits both open and close is never written. */
function createIssuances({ findIssuance, openIssuance, closeIssuance }: Statements) {
  const changed = new Map<string, string | undefined>();
  const openOf = (certificateId: string): string | undefined => {
    if (changed.has(certificateId)) return changed.get(certificateId);
    const found = findIssuance.get(certificateId)?.['issuance_id'];
    return found === undefined ? undefined : String(found);
  };
  return {
    /** Takes an event, and returns the id of the issuance that it ends without naming it. */
    take(event: CertificateEvent): string | undefined {
      const { certificateId } = event;
      if (event.type === 'IssuanceStarted') {
        const last = openOf(certificateId);
        changed.set(certificateId, event.issuanceId);
        return last === event.issuanceId ? undefined : last;
      }
      if (event.type === 'CertificateObtained' || event.type === 'IssuanceFailed') {
        if (openOf(certificateId) === event.issuanceId) changed.set(certificateId, undefined);
      } else if (event.type === 'CertificateRemoved') {
        const last = openOf(certificateId);
        changed.set(certificateId, undefined);
        return last;
      }
      return undefined;
    },
    write(): void {
      for (const [certificateId, issuanceId] of changed) {
        if (issuanceId === undefined) closeIssuance.run(certificateId);
        else openIssuance.run(certificateId, issuanceId);
      }
    },
  };
}

export interface TableWriterOptions {
  /** Which tables it writes; default those that are served. */
  readonly generation?: Generation;
  readonly role: ReplicaRole;
}

/** Makes the writer of one generation. */
export function createTableWriter(
  database: DatabaseSync,
  { generation = 'served', role }: TableWriterOptions,
): TableWriter {
  const reader = createReader(database, generation);
  const statements = prepareStatements(database, generation);
  const origin = originOf(database, generation);
  const hours = createHourCounter(database, suffixOf(generation));
  const traitsIn = createTraitsWriter(database, suffixOf(generation));
  const certificates = createCertificateWriter(statements, { origin, traitsIn, hours });
  const ends = createEndCounter(database, suffixOf(generation));
  const ledger = createLedgerWriter(database, suffixOf(generation));
  let isBulk = statements.hasIndexes.get()?.['found'] !== 1;

  function insertIssuer({ hash, issuer }: IssuerRow): void {
    statements.addIssuer.run(hash, issuer);
    statements.addIssuerCopy.run(hash, issuer);
  }

  /** What some commits make of the certificates. */
  function createChanges() {
    const changed = new Map<string, Changed>();
    const changeOf = (certificateId: string): Changed => {
      const known = changed.get(certificateId);
      if (known) return known;
      const stored = certificates.find(certificateId);
      const first = { stored, certificate: stored?.certificate, position: 0, servedPosition: null };
      changed.set(certificateId, first);
      return first;
    };
    return {
      take(event: CertificateEvent, context: EventContext): void {
        const { position, at, distrusted } = context;
        if (!isKept(event, role)) return;
        const change = changeOf(event.certificateId);
        if (role === 'manager' && !distrusted) ledger.add(ledgerEntries(event, { before: change.certificate, at }));
        const evolved = evolve(change.certificate, event, context);
        if (!evolved || evolved === change.certificate) return;
        const certificate = keptPart(evolved, role);
        const servedPosition = isServedAlike(change.certificate, certificate) ? change.servedPosition : position;
        Object.assign(change, { certificate, position, servedPosition });
      },
      write(): Change[] {
        const written: Change[] = [];
        for (const { stored, certificate, position, servedPosition } of changed.values()) {
          if (!certificate || certificate === stored?.certificate) continue;
          const row = certificateRow(certificate, { position, servedPosition, role });
          ends.remove(endOf(stored?.certificate));
          ends.add(row.notAfter);
          if (stored) certificates.update(stored, row, isBulk);
          else certificates.insert(row);
          const { certificateId, names, removed } = certificate;
          written.push({ certificateId, names, removed, position, isServed: servedPosition !== null });
        }
        return written;
      },
    };
  }

  /** Forgets the leaves of removed certificates once they have ended. */
  function clearEnded(now: Date): void {
    for (const row of statements.findEnded.all(now.getTime())) {
      const stored = certificates.find(String(row['certificate_id']));
      if (!stored) continue;
      const certificate = { ...stored.certificate, retired: undefined };
      const place = { position: stored.position, servedPosition: null, role };
      certificates.update(stored, certificateRow(certificate, place), isBulk);
    }
  }

  return {
    get isBulk() {
      return isBulk;
    },
    take(commits, checkpoint) {
      const changes = createChanges();
      ends.forget();
      ledger.forget();
      hours.forget();
      const issuances = createIssuances(statements);
      let bus = reader.bus();
      for (const commit of commits) {
        bus = evolveBus(bus, commit);
        const { position, at, keyId } = commit;
        for (const { event, root, distrusted } of commit.events) {
          if (event && 'certificateId' in event) {
            changes.take(event, { position, at, keyId, distrusted });
            const ended = role === 'client' && !distrusted ? issuances.take(event) : undefined;
            if (ended !== undefined) bus = endChallenges(bus, ended);
          }
          if (event?.type === 'IssuerAdded') insertIssuer(issuerRow(event));
          if (root) statements.addRoot.run(root.rootSequence, position, JSON.stringify(root));
        }
      }
      const written = changes.write();
      const last = commits.at(-1);
      if (last && role === 'manager' && !isBulk) clearEnded(last.at);
      issuances.write();
      ends.flush();
      hours.flush();
      ledger.flush(last?.at);
      const before = (commits[0]?.position ?? 0) - 1;
      const { position } = checkpoint;
      const [reached, state] = [JSON.stringify(checkpoint), JSON.stringify(bus)];
      const digest = busDigestOf(
        { ...origin, position },
        { checkpoint: reached, state, isComplete: reader.isComplete() },
      );
      if (statements.moveOn.run(position, reached, state, digest, before).changes === 1) return isBulk ? [] : written;
      const what = `Commits from position ${before + 1} on do not follow on the replica, which is at ${reader.checkpoint().position}.`;
      throw new ReplicaError('CERTBUS_REPLICA_BEHIND', what);
    },
    load({ rows, issuances, ledger: entries }) {
      ends.forget();
      ledger.forget();
      hours.forget();
      for (const row of rows) {
        if ('issuer' in row) insertIssuer(row);
        else {
          certificates.insert(row);
          ends.add(row.notAfter);
        }
      }
      ends.flush();
      hours.flush();
      ledger.add(entries);
      ledger.flush(undefined);
      for (const { certificateId, issuanceId } of issuances) statements.openIssuance.run(certificateId, issuanceId);
    },
    complete() {
      if (isBulk) {
        const { last, count } = statements.lastNumber.get() ?? {};
        // A certificate that was given another number left its names behind.
        if (last !== null && last !== count) statements.dropStrayNames.run();
        database.exec(indexesOf(generation, markOf()));
      }
      isBulk = false;
      const row = statements.selectBus.get();
      const found = { ...checkedBus(row), isComplete: true };
      statements.complete.run(busDigestOf({ ...origin, position: Number(row?.['position']) }, found));
    },
  };
}
