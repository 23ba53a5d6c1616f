/** Writes a replica's database: what is served, and what is built beside it. */
import type { DatabaseSync } from 'node:sqlite';
import type { Checkpoint, Commit } from '@certbus/events/history';
import { createReader } from '../reader.ts';
import type { LoadedRows } from './rows.ts';
import {
  abandonBuilding,
  type BeginningState,
  beginBuilding,
  createTableWriter,
  indexBuilding,
  serveBuilding,
  type TableWriter,
} from './tables.ts';

/** What a replica's writer can be asked. */
export type Write =
  | { readonly kind: 'apply'; readonly commits: readonly Commit[]; readonly checkpoint: Checkpoint }
  | { readonly kind: 'build'; readonly state: BeginningState | undefined }
  | { readonly kind: 'load'; readonly loaded: LoadedRows }
  | { readonly kind: 'apply-to-building'; readonly commits: readonly Commit[]; readonly checkpoint: Checkpoint }
  | { readonly kind: 'serve' }
  | { readonly kind: 'abandon' }
  | { readonly kind: 'settle' };

/** Records of a snapshot that one transaction takes. */
const LOADED_TOGETHER = 8_192;

/** Makes the writer of a database. What it throws has changed nothing that is served. */
export function createWriter(database: DatabaseSync, busId: string): (write: Write) => void {
  const served = createTableWriter(database);
  let building: TableWriter | undefined;
  let isIndexed = false;
  let loaded = 0;

  function current(): TableWriter {
    if (!building) throw new TypeError('nothing is being built');
    return building;
  }
  /** Lets go of the transaction that loads are gathered in. */
  function discard(): void {
    if (loaded > 0 && database.isTransaction) database.exec('ROLLBACK');
    loaded = 0;
  }
  /** On a full disk SQLite takes back what was loaded before, too: the whole build is over. */
  function orEnd(work: () => void): void {
    try {
      work();
    } catch (error) {
      discard();
      building = undefined;
      throw error;
    }
  }
  /** Ends the transaction that loads are gathered in. */
  function flush(): void {
    if (loaded > 0) orEnd(() => database.exec('COMMIT'));
    loaded = 0;
  }
  /** After the last load, and before anything is looked up. */
  function index(): void {
    if (!isIndexed) indexBuilding(database);
    isIndexed = true;
  }
  function load({ rows }: LoadedRows): void {
    if (loaded === 0) database.exec('BEGIN IMMEDIATE');
    loaded += rows.length;
    orEnd(() => current().load(rows));
    if (loaded >= LOADED_TOGETHER) flush();
  }

  return (write) => {
    if (write.kind === 'abandon') discard();
    else if (write.kind !== 'load') flush();
    switch (write.kind) {
      case 'apply':
        return served.apply(write.commits, write.checkpoint);
      case 'build':
        beginBuilding(database, busId, write.state);
        // Nothing is lost with a replica that holds nothing yet; what is built is flushed before it is served.
        if (createReader(database).checkpoint().position === 0) database.exec('PRAGMA synchronous = OFF');
        building = createTableWriter(database, 'building');
        isIndexed = false;
        return;
      case 'load':
        return load(write.loaded);
      case 'apply-to-building':
        index();
        return current().apply(write.commits, write.checkpoint);
      case 'serve':
        current();
        index();
        // What is dropped is sealed; wiping gigabytes of it would stand every other change still.
        database.exec('PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF');
        serveBuilding(database);
        database.exec('PRAGMA wal_checkpoint(PASSIVE); PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
        building = undefined;
        return;
      case 'abandon':
        building = undefined;
        abandonBuilding(database);
        database.exec('PRAGMA synchronous = NORMAL');
        return;
      case 'settle':
        database.exec('UPDATE bus SET settled = 1');
        return;
    }
  };
}
