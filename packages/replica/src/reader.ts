/** What can be asked of a replica. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';
import { candidatesOf, type ManagedCertificate, sha256 } from '@certbus/events';
import { type BusState, type Checkpoint, type PlacedRootEvent, servedNames } from '@certbus/events/history';
import type { SnapshotRecord } from '@certbus/store';
import { CHECKED_BUS, CHECKED_STATE, checkedBus, checkedState, damaged, isDamage } from './checking/digest.ts';
import { createDutyReader, type DutyReader } from './writer/duties.ts';
import { createEndReader } from './writer/ends.ts';
import { createHourReader, type HourReader } from './writer/hours.ts';
import { createLedgerReader, type LedgerReader } from './writer/ledger.ts';
import { createListingReader, type ListingReader } from './writer/listing.ts';
import { type Generation, suffixOf } from './writer/schema.ts';
import { createSelectionReader, type SelectionReader } from './writer/selection.ts';

/** A certificate that changed, with the names that it covers or covered. */
export interface Change {
  readonly certificateId: string;
  readonly names: readonly string[];
  /** Whether it is served no longer. */
  readonly removed: boolean;
  /** Position of its last event. */
  readonly position: number;
  /** Whether what is served of it changed: a claim, an order, a failure or a key that is sealed again is not such a change. */
  readonly isServed: boolean;
}

/** What is served of a certificate, or that nothing is, with the position of its last event. */
export interface PlacedLeaf {
  readonly certificateId: string;
  readonly position: number;
  /** The leaf, and the CA that issued it; `undefined` for an imported certificate, and where nothing is served. */
  readonly leaf: { readonly leafHash: string; readonly directory: string } | undefined;
}

/** When a manager should act on a certificate. */
export interface UpcomingAction {
  readonly certificateId: string;
  readonly at: Date;
}

/** A page of names that several certificates cover. */
export interface SharedNames {
  readonly names: readonly string[];
  /** Where the next page begins; `undefined` where this was the last. */
  readonly last: string | undefined;
}

/** What can be asked of a replica. Everything is synchronous and local. */
export interface ReplicaReader
  extends DutyReader,
    HourReader,
    ListingReader,
    SelectionReader,
    Pick<LedgerReader, 'spending'> {
  /** How far the replica goes. */
  checkpoint(): Checkpoint;
  bus(): BusState;
  /**
   * Whether the replica has reached the head of its bus once. One that was interrupted before has a part of the bus, and nothing is to be
   * served from it.
   */
  isComplete(): boolean;
  /** Whether what the replica began with was found to be the newest of its bus, see `Replica.settle`. */
  isSettled(): boolean;
  /** How many certificates were lost when it was made from a damaged file; `undefined` where all of it was read from the bus. */
  countLost(): number | undefined;
  /** A managed certificate, removed ones included. */
  certificate(certificateId: string): ManagedCertificate | undefined;
  /** Those that can be served for a server name in its one form: exact names first, then one wildcard level. */
  lookup(serverName: string): ManagedCertificate[];
  /** Whether a certificate has exactly this name; a wildcard counts for itself alone. */
  isNamed(name: string): boolean;
  /** Whether several certificates cover a name of one of them: they have it, or the wildcard of its level. */
  isShared(name: string): boolean;
  /** The shared names among the next `limit` names behind `after`, to be read page by page. */
  sharedNames(after: string, limit: number): SharedNames;
  /** All that are not removed, in order of id. */
  certificates(): Iterable<ManagedCertificate>;
  /** Removed ones of which a leaf that was not revoked ends after `at`, in order of that end, read page by page; none in a client's replica. */
  retired(at: Date): Iterable<ManagedCertificate>;
  /** Those whose names were first found lost after an instant and are lost still, in order of that, read page by page; none in a client's replica. */
  lostSince(after: Date): Iterable<ManagedCertificate>;
  /** Ids of those that cover exactly this set of names and are not removed; the key is `nameSetKey`'s. */
  idsByNameSet(key: string): string[];
  /** Those on which a manager should act by `at`, the longest due first, read page by page. */
  due(at: Date): Iterable<ManagedCertificate>;
  /** When a manager should act on which certificate, behind `after`, in order, read page by page and without the certificates. */
  upcoming(after: Date): Iterable<UpcomingAction>;
  /** Those that are wanted by `wantedBy` and that a claim or a back-off puts off until after `until`, read page by page. */
  paused(range: { readonly until: Date; readonly wantedBy: Date }): Iterable<ManagedCertificate>;
  /** The leaves of those that changed last behind a position, in order; `limit` of them, and the others of the last one's position. */
  leavesAfter(position: number, limit: number): PlacedLeaf[];
  /** The leaves of those that changed last at a position or before it, in falling order; as many as {@link leavesAfter} gives. */
  leavesUpTo(position: number, limit: number): PlacedLeaf[];
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
/** Of a scan over all certificates: what of a page is done would outlive the garbage collector's first looks in a longer one. */
const SCAN_PAGE = 50;
/** Names are ASCII. */
const BEHIND_ALL_NAMES = '\u{7f}';

/** Makes the certificates of rows; of those that are damaged none. Throws where damage is not to be passed over. */
type ParseStates = (rows: readonly Row[]) => ManagedCertificate[];

/** How damage is met: reported and passed over, so that everything else is served, or thrown. */
type OnDamage = (error: Error) => void;

const throwDamage: OnDamage = (error) => {
  throw error;
};
const idOf = (row: Row): string => String(row['certificate_id']);

/** What a range is read by, by what else a certificate must fit, and which columns are read of it and parsed into what. */
interface Order<T> {
  readonly column: 'next_action_at' | 'paused_until' | 'retired_until' | 'lost_since';
  readonly fits?: string;
  readonly read: string;
  readonly parse: (rows: readonly Row[]) => readonly T[];
}

/** Reads of certificates in the order of an indexed column, page by page: no page is longer for how many there are. */
function createRangeReader<T>(
  database: DatabaseSync,
  from: string,
  { column, fits = 'TRUE', read: wanted, parse }: Order<T>,
) {
  const columns = `number, ${column} AS value, ${wanted}`;
  // Two statements: with both in one condition, SQLite would read all that share a value again for each page of them.
  const alike = database.prepare(
    `SELECT ${columns} FROM ${from} WHERE ${column} = :after AND number > :number AND ${fits} ORDER BY number LIMIT :limit`,
  );
  const next = database.prepare(
    `SELECT ${columns} FROM ${from} WHERE ${column} > :after AND ${column} <= :upTo AND ${fits} ORDER BY ${column}, number LIMIT :limit`,
  );
  return function* read(
    { after, upTo }: { readonly after: number; readonly upTo: number },
    more: Readonly<Record<string, number>> = {},
  ): Iterable<T> {
    for (let last = { after, number: Number.MAX_SAFE_INTEGER }; ; ) {
      const rows = alike.all({ ...more, ...last, limit: PAGE });
      rows.push(...next.all({ ...more, after: last.after, upTo, limit: PAGE - rows.length }));
      yield* parse(rows);
      const end = rows.at(-1);
      if (!end || rows.length < PAGE) return;
      last = { after: Number(end['value']), number: Number(end['number']) };
    }
  };
}

/** Reads which leaf is served, in the order of the certificates' last events. A position is read whole, so that it can be gone on from. */
function createLeafReader(
  database: DatabaseSync,
  { certificates, withState }: { certificates: string; withState: string },
) {
  const columns = `certificate_id, position, json_extract(state, '$.current.leafHash') AS leaf_hash, json_extract(state, '$.current.directory') AS directory`;
  const lastAfter = database.prepare(
    `SELECT position FROM ${certificates} WHERE position > ? ORDER BY position LIMIT 1 OFFSET ?`,
  );
  const lastUpTo = database.prepare(
    `SELECT position FROM ${certificates} WHERE position <= ? ORDER BY position DESC LIMIT 1 OFFSET ?`,
  );
  const rising = database.prepare(
    `SELECT ${columns} FROM ${withState} WHERE position > ? AND position <= ? ORDER BY position`,
  );
  const falling = database.prepare(
    `SELECT ${columns} FROM ${withState} WHERE position <= ? AND position >= ? ORDER BY position DESC`,
  );
  const parse = (row: Row): PlacedLeaf => {
    const [leafHash, directory] = [row['leaf_hash'], row['directory']];
    const leaf = typeof leafHash === 'string' && typeof directory === 'string' ? { leafHash, directory } : undefined;
    return { certificateId: idOf(row), position: Number(row['position']), leaf };
  };
  return {
    leavesAfter(position: number, limit: number): PlacedLeaf[] {
      const end = Number(lastAfter.get(position, limit - 1)?.['position'] ?? Number.MAX_SAFE_INTEGER);
      return rising.all(position, end).map(parse);
    },
    leavesUpTo(position: number, limit: number): PlacedLeaf[] {
      const end = Number(lastUpTo.get(position, limit - 1)?.['position'] ?? 0);
      return falling.all(position, end).map(parse);
    },
  };
}

/** All rows of a query that pages by certificate id, `(after, limit)`. */
function* pages(select: StatementSync): Iterable<Readonly<Record<string, unknown>>> {
  for (let last = ''; ; ) {
    const rows = select.all(last, SCAN_PAGE);
    yield* rows;
    const end = rows.at(-1);
    if (!end || rows.length < SCAN_PAGE) return;
    last = idOf(end);
  }
}

/** What a snapshot is made of, issuers first. */
function* snapshotRecords(
  issuers: StatementSync,
  certificates: StatementSync,
  { parse, ledger }: { readonly parse: ParseStates } & Pick<LedgerReader, 'ledger'>,
): Iterable<SnapshotRecord> {
  for (const row of issuers.all()) {
    const certificate = Buffer.from(row['certificate'] as Uint8Array).toString('base64');
    yield { issuer: { hash: String(row['hash']), certificate } };
  }
  for (const row of pages(certificates))
    for (const certificate of parse([row])) yield { position: Number(row['of_position']), certificate };
  for (const spent of ledger()) yield { spent };
}

/**
 * Asks an open database with the replica's tables. Everything that it answers was checked: a row that is not what was written is passed over
 * and reported to `onDamage`, or thrown as `CERTBUS_REPLICA_DAMAGED` by default.
 */
export function createReader(
  database: DatabaseSync,
  generation: Generation = 'served',
  { onDamage = throwDamage }: { readonly onDamage?: OnDamage | undefined } = {},
): ReplicaReader {
  const suffix = suffixOf(generation);
  // Crossed: the state is looked up for what was found, and never read to find it.
  const withState = `certificates${suffix} CROSS JOIN states${suffix} USING (number)`;
  const selectBus = database.prepare(`SELECT ${CHECKED_BUS} FROM bus${suffix}`);
  const selectSettled = database.prepare(`SELECT settled FROM bus${suffix}`);
  const selectLost = database.prepare(`SELECT lost FROM bus${suffix}`);
  const selectOne = database.prepare(`SELECT ${CHECKED_STATE} FROM ${withState} WHERE certificate_id = ?`);
  const selectState = database.prepare(`SELECT ${CHECKED_STATE} FROM states${suffix} WHERE number = ?`);
  const selectPage = database.prepare(
    `SELECT certificate_id, ${CHECKED_STATE} FROM ${withState} WHERE removed = 0 AND certificate_id > ? ORDER BY certificate_id LIMIT ?`,
  );
  const selectNamed = database.prepare(
    `SELECT ${CHECKED_STATE} FROM names${suffix} n CROSS JOIN states${suffix} s USING (number) WHERE n.name = ?`,
  );
  const selectIsNamed = database.prepare(`SELECT 1 FROM names${suffix} WHERE name = ? LIMIT 1`);
  const selectIsShared = database.prepare(
    `SELECT count(DISTINCT number) AS n FROM names${suffix} WHERE name IN (?, ?)`,
  );
  const selectPageEnd = database.prepare(
    `SELECT name FROM names${suffix} WHERE name > ? ORDER BY name LIMIT 1 OFFSET ?`,
  );
  const selectShared = database.prepare(
    `SELECT DISTINCT n.name FROM names${suffix} n WHERE n.name > ? AND n.name <= ? AND EXISTS (
       SELECT 1 FROM names${suffix} o
       WHERE o.name IN (n.name, '*' || substr(n.name, instr(n.name || '.', '.'))) AND o.number <> n.number) ORDER BY n.name`,
  );
  const selectNameSet = database.prepare(
    `SELECT certificate_id FROM certificates${suffix} WHERE name_set = ? AND name_set IS NOT NULL AND removed = 0`,
  );
  const busId = String(selectBus.get()?.['bus_id']);
  const parse: ParseStates = (rows) =>
    rows.flatMap((row) => {
      try {
        return [checkedState(row, busId)];
      } catch (error) {
        onDamage(error as Error);
        return [];
      }
    });
  const states = { read: CHECKED_STATE, parse };
  const byNextAction = createRangeReader(database, withState, { column: 'next_action_at', ...states });
  const byPause = createRangeReader(database, withState, {
    column: 'paused_until',
    fits: 'wanted_at <= :wantedBy',
    ...states,
  });
  const byRetirement = createRangeReader(database, withState, { column: 'retired_until', ...states });
  const byLoss = createRangeReader(database, withState, { column: 'lost_since', ...states });
  const upcoming = createRangeReader<UpcomingAction>(database, `certificates${suffix}`, {
    column: 'next_action_at',
    read: 'certificate_id',
    parse: (rows) => rows.map((row) => ({ certificateId: idOf(row), at: new Date(Number(row['value'])) })),
  });
  const selectNextEnd = database.prepare(
    `SELECT min(not_after) AS next FROM certificates${suffix} WHERE not_after >= ?`,
  );
  const selectIssuer = ['issuers', 'issuer_copies'].map((table) =>
    database.prepare(`SELECT certificate FROM ${table}${suffix} WHERE hash = ?`),
  );
  const selectChanged = database.prepare(
    `SELECT certificate_id, position, removed, coalesce(served_position, 0) > ? AS is_served, json_extract(state, '$.names') AS names FROM ${withState} WHERE position > ? ORDER BY position LIMIT ?`,
  );
  const selectRootEvents = database.prepare(`SELECT position, envelope FROM root_events${suffix} ORDER BY sequence`);
  const selectIssuers = database.prepare(`SELECT hash, certificate FROM issuers${suffix} ORDER BY hash`);
  const ledger = createLedgerReader(database, suffix);
  const selectRecords = database.prepare(
    `SELECT certificate_id, ${CHECKED_STATE} FROM ${withState} WHERE certificate_id > ? ORDER BY certificate_id LIMIT ?`,
  );

  /** Those of a name. The row that leads to one can be damaged as well, and a certificate is never shown for another's name. */
  const named = (name: string): ManagedCertificate[] =>
    parse(selectNamed.all(name)).filter((certificate) => {
      if (servedNames(certificate).includes(name)) return true;
      onDamage(damaged(`the name ${JSON.stringify(name)} leads to a certificate that is not for it`));
      return false;
    });

  return {
    isComplete: () => checkedBus(selectBus.get()).isComplete,
    checkpoint: () => JSON.parse(checkedBus(selectBus.get()).checkpoint),
    bus: () => JSON.parse(checkedBus(selectBus.get()).state),
    isSettled: () => selectSettled.get()?.['settled'] === 1,
    countLost() {
      const lost = selectLost.get()?.['lost'];
      return typeof lost === 'number' ? lost : undefined;
    },
    certificate(certificateId) {
      const row = selectOne.get(certificateId);
      const [certificate] = row ? parse([row]) : [];
      if (!certificate || certificate.certificateId === certificateId) return certificate;
      onDamage(damaged(`the id ${JSON.stringify(certificateId)} leads to another certificate`));
      return undefined;
    },
    lookup: (serverName) => candidatesOf(serverName).flatMap(named),
    isNamed: (name) => selectIsNamed.get(name) !== undefined,
    isShared(name) {
      const [own = name, wildcard = own] = candidatesOf(name);
      return Number(selectIsShared.get(own, wildcard)?.['n']) > 1;
    },
    sharedNames(after, limit) {
      const end = selectPageEnd.get(after, limit - 1)?.['name'];
      const last = typeof end === 'string' ? end : undefined;
      const names = selectShared.all(after, last ?? BEHIND_ALL_NAMES).map((row) => String(row['name']));
      return { names, last };
    },
    *certificates() {
      for (const row of pages(selectPage)) yield* parse([row]);
    },
    retired: (at) => byRetirement({ after: at.getTime(), upTo: Number.MAX_SAFE_INTEGER }),
    lostSince: (after) => byLoss({ after: after.getTime(), upTo: Number.MAX_SAFE_INTEGER }),
    idsByNameSet: (key) => selectNameSet.all(key).map(idOf),
    due: (at) => byNextAction({ after: Number.MIN_SAFE_INTEGER, upTo: at.getTime() }),
    upcoming: (after) => upcoming({ after: after.getTime(), upTo: Number.MAX_SAFE_INTEGER }),
    paused: ({ until, wantedBy }) =>
      byPause({ after: until.getTime(), upTo: Number.MAX_SAFE_INTEGER }, { wantedBy: wantedBy.getTime() }),
    ...createLeafReader(database, { certificates: `certificates${suffix}`, withState }),
    ...createEndReader(database, suffix),
    ...createDutyReader(database, suffix),
    nextEnd(at) {
      const next = selectNextEnd.get(at.getTime())?.['next'];
      return typeof next === 'number' ? new Date(next) : undefined;
    },
    issuer(hash) {
      for (const select of selectIssuer) {
        try {
          const found = select.get(hash)?.['certificate'];
          if (found === undefined) continue;
          if (found instanceof Uint8Array && sha256(found) === hash) return found;
          onDamage(damaged(`the issuer ${hash} does not fit its hash`));
        } catch (error) {
          if (!isDamage(error)) throw error;
          onDamage(error as Error);
        }
      }
      return undefined;
    },
    changedSince: (position, limit) =>
      selectChanged.all(position, position, limit).map((row) => ({
        certificateId: idOf(row),
        names: JSON.parse(String(row['names'])),
        removed: row['removed'] === 1,
        position: Number(row['position']),
        isServed: row['is_served'] === 1,
      })),
    rootEvents: () =>
      selectRootEvents.all().map((row) => ({
        position: Number(row['position']),
        root: JSON.parse(String(row['envelope'])),
      })),
    spending: ledger.spending,
    ...createHourReader(database, suffix),
    ...createSelectionReader(database, suffix),
    ...createListingReader(database, suffix, (number) => parse(selectState.all(number))),
    records: () => snapshotRecords(selectIssuers, selectRecords, { parse, ledger: ledger.ledger }),
  };
}
