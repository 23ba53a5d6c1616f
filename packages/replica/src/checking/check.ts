/** Checks a replica row by row, in slices, next to those who read and write it. */
import type { DatabaseSync } from 'node:sqlite';
import { type ManagedCertificate, sha256 } from '@certbus/events';
import { servedNames } from '@certbus/events/history';
import { openGuarded } from '@certbus/store/sqlite-files';
import { judgedColumns } from '../writer/rows.ts';
import {
  type BusRow,
  CHECKED_BUS,
  CHECKED_STATE,
  checkedBus,
  checkedState,
  damaged,
  type RowOrigin,
} from './digest.ts';

/** Certificates that are checked in one go: about two milliseconds. */
const SLICE = 100;

function checkSmallTables(database: DatabaseSync): Pick<BusRow, 'isComplete'> & Pick<RowOrigin, 'busId' | 'build'> {
  const bus = database.prepare(`SELECT ${CHECKED_BUS} FROM bus`).get();
  const { isComplete } = checkedBus(bus);
  for (const table of ['issuers', 'issuer_copies'])
    for (const { hash, certificate } of database.prepare(`SELECT hash, certificate FROM ${table}`).iterate())
      if (!(certificate instanceof Uint8Array) || sha256(certificate) !== hash)
        throw damaged('an issuer does not fit its hash');
  return { isComplete, busId: String(bus?.['bus_id']), build: Number(bus?.['build']) };
}

/** The columns of {@link judgedColumns}, and which role's replica it is. */
const JUDGED = `not_after, plain_names, next_action_at, wanted_at, paused_until, urgent_at, failing, name_set,
  (SELECT traits.traits FROM traits WHERE traits.id = certificates.traits) AS traits`;

/** Throws where a date is not that of the state: lists, and what is due, are found without the state and its digest. */
function checkColumns(row: Readonly<Record<string, unknown>>, certificate: ManagedCertificate): void {
  // Only a manager looks for sets of names.
  const judged = judgedColumns(certificate, row['name_set'] === null ? 'client' : 'manager');
  for (const [column, value] of Object.entries(judged))
    if (row[column] !== value) throw damaged(`the column ${column} of a certificate does not fit its state`);
}

/**
 * Makes what checks the certificates behind a number, also by what lists and what is due are read from, and whether each is found by its id and
 * names; returns the last number and the count.
 */
function createSliceCheck(database: DatabaseSync, busId: string) {
  const select = database.prepare(
    `SELECT number, certificate_id, position = of_position AND build = of_build AS fits, removed, ${JUDGED}, ${CHECKED_STATE} FROM states LEFT JOIN certificates USING (number) WHERE number > ? ORDER BY number LIMIT ?`,
  );
  const selectId = database.prepare('SELECT number FROM certificates WHERE certificate_id = ?');
  const selectName = database.prepare('SELECT 1 FROM names WHERE name = ? AND number = ?');
  return (after: number): { readonly last: number; readonly count: number } => {
    const rows = select.all(after, SLICE);
    for (const row of rows) {
      const certificate = checkedState(row, busId);
      const { certificateId, removed } = certificate;
      if (row['fits'] !== 1 || row['certificate_id'] !== certificateId || row['removed'] !== Number(removed))
        throw damaged('a certificate does not fit its state');
      checkColumns(row, certificate);
      if (selectId.get(certificateId)?.['number'] !== row['number'])
        throw damaged('a certificate is not found by its id');
      for (const name of servedNames(certificate))
        if (!selectName.get(name, Number(row['number']))) throw damaged('a certificate is not found by its name');
    }
    return { last: Number(rows.at(-1)?.['number'] ?? after), count: rows.length };
  };
}

function* checkRows(database: DatabaseSync): Iterable<undefined> {
  const { isComplete, busId, build } = checkSmallTables(database);
  // Nothing is served yet, and there are no indexes to look for names with.
  if (!isComplete) return;
  const checkSlice = createSliceCheck(database, busId);
  const selectBuild = database.prepare('SELECT build FROM bus');
  const count = database.prepare('SELECT count(*) AS n FROM certificates');
  for (let after = 0, seen = 0; ; ) {
    yield undefined;
    database.exec('BEGIN');
    try {
      // Built again from the bus meanwhile: nothing of what was checked is there any more.
      if (selectBuild.get()?.['build'] !== build) return;
      const slice = checkSlice(after);
      [after, seen] = [slice.last, seen + slice.count];
      if (slice.count > 0) continue;
      if (Number(count.get()?.['n']) !== seen) throw damaged('a certificate has no state');
      return;
    } finally {
      if (database.isTransaction) database.exec('COMMIT');
    }
  }
}

/**
 * Checks all that a replica's file serves, a slice at each step: every certificate against its digest, and whether it is found by its id and by
 * each of its names. Throws what `isDamage` takes for damage. The file is opened for it, with a small cache of its own.
 */
export function* checkFile(path: string): Iterable<undefined> {
  const database = openGuarded(path, { readOnly: true });
  try {
    yield* checkRows(database);
  } finally {
    database.close();
  }
}
