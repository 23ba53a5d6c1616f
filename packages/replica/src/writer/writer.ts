/** Writes a replica's database: what is served, and what is built beside it. */
import type { DatabaseSync } from 'node:sqlite';
import type { Checkpoint, Commit } from '@certbus/events/history';
import { createFollowingWriter, type FollowingNote } from '../following.ts';
import { type Change, createReader } from '../reader.ts';
import type { ReplicaRole } from './role.ts';
import type { LoadedRows } from './rows.ts';
import {
  abandonBuilding,
  type BeginningState,
  beginBuilding,
  createTableWriter,
  inTransaction,
  serveBuilding,
  type TableWriter,
} from './tables.ts';

/** What a replica's writer can be asked. */
export type Write =
  | {
      readonly kind: 'apply';
      readonly commits: readonly Commit[];
      readonly checkpoint: Checkpoint;
      /** More follow at once: the first replay gathers them in one transaction, and what is lost of it is read again. */
      readonly isMore?: boolean;
    }
  | { readonly kind: 'build'; readonly state: BeginningState | undefined }
  | { readonly kind: 'load'; readonly loaded: LoadedRows }
  | { readonly kind: 'apply-to-building'; readonly commits: readonly Commit[]; readonly checkpoint: Checkpoint }
  | { readonly kind: 'serve' }
  | { readonly kind: 'complete' }
  | { readonly kind: 'flush' }
  | { readonly kind: 'abandon' }
  | { readonly kind: 'settle' }
  | { readonly kind: 'note'; readonly note: FollowingNote };

/** How much one transaction of bulk work takes, in records of a snapshot or events: each page of an index is then written once for many. */
const GATHERED_TOGETHER = 65_536;

/** Writes that may be part of an open transaction of bulk work. */
const GATHERED: ReadonlySet<Write['kind']> = new Set(['load', 'apply-to-building', 'note']);

/** How much a load is, in records; one of nothing begins a transaction as well. */
const sizeOf = ({ rows, ledger }: LoadedRows): number => Math.max(1, rows.length + ledger.length);

const eventsIn = (commits: readonly Commit[]): number => commits.reduce((sum, { events }) => sum + events.length, 0);

export interface WriterOptions {
  readonly busId: string;
  readonly role: ReplicaRole;
}

/** Writes, and returns what changed of that which is served: nothing before the replica is complete. Throws where nothing was changed. */
export type Writer = (write: Write) => readonly Change[];

const NOTHING: readonly Change[] = [];

/** Makes the writer of a database. What it throws has changed nothing that is served. */
export function createWriter(database: DatabaseSync, { busId, role }: WriterOptions): Writer {
  const noteFollowing = createFollowingWriter(database);
  let served = createTableWriter(database, { role });
  let building: TableWriter | undefined;
  let gathered = 0;

  function current(): TableWriter {
    if (!building) throw new TypeError('nothing is being built');
    return building;
  }
  /** Gives up the transaction that bulk work is gathered in. On a full disk SQLite takes back all of it: then a build is over. */
  function discard(): void {
    if (gathered > 0 && database.isTransaction) database.exec('ROLLBACK');
    gathered = 0;
    building = undefined;
  }
  /** Ends that transaction. */
  function flush(): void {
    if (gathered > 0) {
      try {
        database.exec('COMMIT');
      } catch (error) {
        discard();
        throw error;
      }
    }
    gathered = 0;
  }
  function gather(size: number, work: () => unknown): void {
    try {
      if (gathered === 0) database.exec('BEGIN IMMEDIATE');
      gathered += size;
      work();
    } catch (error) {
      discard();
      throw error;
    }
    if (gathered >= GATHERED_TOGETHER) flush();
  }
  function apply({ commits, checkpoint, isMore = false }: Extract<Write, { readonly kind: 'apply' }>) {
    if (isMore && served.isBulk) {
      gather(eventsIn(commits), () => served.take(commits, checkpoint));
      return NOTHING;
    }
    flush();
    if (commits.length === 0) return NOTHING;
    return inTransaction(database, () => served.take(commits, checkpoint));
  }

  /** What changes nothing that is served. */
  function prepare(write: Exclude<Write, { readonly kind: 'apply' }>): void {
    if (write.kind === 'abandon') discard();
    else if (!GATHERED.has(write.kind)) flush();
    switch (write.kind) {
      case 'build':
        beginBuilding(database, busId, write.state);
        // Nothing is lost with a replica that holds nothing yet; what is built is flushed before it is served.
        if (createReader(database).checkpoint().position === 0) database.exec('PRAGMA synchronous = OFF');
        building = createTableWriter(database, { generation: 'building', role });
        return;
      case 'load':
        gather(sizeOf(write.loaded), () => current().load(write.loaded));
        return;
      case 'apply-to-building':
        gather(eventsIn(write.commits), () => current().take(write.commits, write.checkpoint));
        return;
      case 'serve':
        inTransaction(database, () => current().complete());
        // What is dropped is sealed; wiping gigabytes of it would stand every other change still.
        database.exec('PRAGMA synchronous = FULL; PRAGMA secure_delete = OFF');
        serveBuilding(database);
        database.exec('PRAGMA wal_checkpoint(PASSIVE); PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON');
        building = undefined;
        served = createTableWriter(database, { role });
        return;
      case 'abandon':
        building = undefined;
        abandonBuilding(database);
        database.exec('PRAGMA synchronous = NORMAL');
        return;
      case 'complete':
        inTransaction(database, () => served.complete());
        return;
      case 'flush':
        return;
      case 'settle':
        database.exec('UPDATE bus SET settled = 1, changes = changes + 1');
        return;
      case 'note':
        noteFollowing(write.note);
        return;
    }
  }

  return (write) => {
    if (write.kind === 'apply') return apply(write);
    prepare(write);
    return NOTHING;
  };
}
