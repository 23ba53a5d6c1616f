/** What can be asked of a replica. */
import type { DatabaseSync } from 'node:sqlite';
import { candidatesOf, type ManagedCertificate } from '@certbus/events';
import type { BusState, Checkpoint, PlacedRootEvent } from '@certbus/events/history';
import type { SnapshotRecord } from '@certbus/store';
import { type Generation, suffixOf } from './writer/schema.ts';

/** A certificate that changed, with the names that it covers or covered. */
export interface Change {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** Position of its last event. */
  readonly position: number;
}

/** What can be asked of a replica. Everything is synchronous and local. */
export interface ReplicaReader {
  /** How far the replica goes. */
  checkpoint(): Checkpoint;
  bus(): BusState;
  /** A managed certificate, removed ones included. */
  certificate(certificateId: string): ManagedCertificate | undefined;
  /** Those that can be served for a server name in its one form: exact names first, then one wildcard level. */
  lookup(serverName: string): ManagedCertificate[];
  /** All that are not removed, in order of id. */
  certificates(): Iterable<ManagedCertificate>;
  /** Ids of those that cover exactly this set of names and are not removed; the key is `nameSetKey`'s. */
  idsByNameSet(key: string): string[];
  /** Ids of those on which a manager should act by `at`, most urgent first. */
  idsDue(at: Date, limit: number): string[];
  /** How many are served. */
  countServed(): number;
  /** How many of those that are served end before `at`. */
  countEnding(at: Date): number;
  /** When the first of those that are served ends after `at`. */
  nextEnd(at: Date): Date | undefined;
  /** DER of an issuer. */
  issuer(hash: string): Uint8Array | undefined;
  /** Certificates with an event behind this position, removed ones included, in order of position; at most `limit`. */
  changedSince(position: number, limit: number): Change[];
  /** Every root event, in order. */
  rootEvents(): PlacedRootEvent[];
  /** All that there is apart from the bus's own state, issuers first, as a snapshot holds it. */
  records(): Iterable<SnapshotRecord>;
}

type Row = Record<string, unknown>;

const PAGE = 500;
const parseState = (row: Row): ManagedCertificate => JSON.parse(String(row['state']));
const idOf = (row: Row): string => String(row['certificate_id']);

/** Asks an open database with the replica's tables. */
export function createReader(database: DatabaseSync, generation: Generation = 'served'): ReplicaReader {
  const suffix = suffixOf(generation);
  // Crossed: the state is looked up for what was found, and never read to find it.
  const withState = `certificates${suffix} CROSS JOIN states${suffix} USING (number)`;
  const selectBus = database.prepare(`SELECT checkpoint, state FROM bus${suffix}`);
  const selectOne = database.prepare(`SELECT state FROM ${withState} WHERE certificate_id = ?`);
  const selectPage = database.prepare(
    `SELECT certificate_id, state FROM ${withState} WHERE removed = 0 AND certificate_id > ? ORDER BY certificate_id LIMIT ?`,
  );
  const selectNamed = database.prepare(
    `SELECT s.state FROM names${suffix} n CROSS JOIN certificates${suffix} c USING (certificate_id) CROSS JOIN states${suffix} s USING (number) WHERE n.name = ?`,
  );
  const selectNameSet = database.prepare(
    `SELECT certificate_id FROM certificates${suffix} WHERE name_set = ? AND removed = 0`,
  );
  const selectDue = database.prepare(
    `SELECT certificate_id FROM certificates${suffix} WHERE next_action_at <= ? ORDER BY next_action_at LIMIT ?`,
  );
  const countServed = database.prepare(`SELECT count(*) AS n FROM certificates${suffix} WHERE not_after IS NOT NULL`);
  const countEnding = database.prepare(`SELECT count(*) AS n FROM certificates${suffix} WHERE not_after < ?`);
  const selectNextEnd = database.prepare(
    `SELECT min(not_after) AS next FROM certificates${suffix} WHERE not_after >= ?`,
  );
  const selectIssuer = database.prepare(`SELECT certificate FROM issuers${suffix} WHERE hash = ?`);
  const selectChanged = database.prepare(
    `SELECT certificate_id, position, json_extract(state, '$.names') AS names FROM ${withState} WHERE position > ? ORDER BY position LIMIT ?`,
  );
  const selectRootEvents = database.prepare(`SELECT position, envelope FROM root_events${suffix} ORDER BY sequence`);
  const selectIssuers = database.prepare(`SELECT hash, certificate FROM issuers${suffix} ORDER BY hash`);
  const selectRecords = database.prepare(
    `SELECT certificate_id, position, state FROM ${withState} WHERE certificate_id > ? ORDER BY certificate_id LIMIT ?`,
  );

  function* records(): Iterable<SnapshotRecord> {
    for (const row of selectIssuers.all()) {
      const certificate = Buffer.from(row['certificate'] as Uint8Array).toString('base64');
      yield { issuer: { hash: String(row['hash']), certificate } };
    }
    for (let last = ''; ; ) {
      const rows = selectRecords.all(last, PAGE);
      for (const row of rows) yield { position: Number(row['position']), certificate: parseState(row) };
      const end = rows.at(-1);
      if (!end || rows.length < PAGE) return;
      last = idOf(end);
    }
  }

  function* certificates(): Iterable<ManagedCertificate> {
    for (let last = ''; ; ) {
      const rows = selectPage.all(last, PAGE);
      for (const row of rows) yield parseState(row);
      const end = rows.at(-1);
      if (!end || rows.length < PAGE) return;
      last = idOf(end);
    }
  }

  return {
    checkpoint: () => JSON.parse(String(selectBus.get()?.['checkpoint'])),
    bus: () => JSON.parse(String(selectBus.get()?.['state'])),
    certificate(certificateId) {
      const row = selectOne.get(certificateId);
      return row && parseState(row);
    },
    lookup: (serverName) => candidatesOf(serverName).flatMap((name) => selectNamed.all(name).map(parseState)),
    certificates,
    idsByNameSet: (key) => selectNameSet.all(key).map(idOf),
    idsDue: (at, limit) => selectDue.all(at.getTime(), Math.min(limit, 2 ** 31)).map(idOf),
    countServed: () => Number(countServed.get()?.['n']),
    countEnding: (at) => Number(countEnding.get(at.getTime())?.['n']),
    nextEnd(at) {
      const next = selectNextEnd.get(at.getTime())?.['next'];
      return typeof next === 'number' ? new Date(next) : undefined;
    },
    issuer: (hash) => selectIssuer.get(hash)?.['certificate'] as Uint8Array | undefined,
    changedSince: (position, limit) =>
      selectChanged.all(position, limit).map((row) => ({
        certificateId: idOf(row),
        names: JSON.parse(String(row['names'])),
        position: Number(row['position']),
      })),
    rootEvents: () =>
      selectRootEvents.all().map((row) => ({
        position: Number(row['position']),
        root: JSON.parse(String(row['envelope'])),
      })),
    records,
  };
}
