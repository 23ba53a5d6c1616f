/** What a full disk has no room for, in memory: the commits, and what they make of the replica. */
import type { ManagedCertificate } from '@certbus/events';
import type { BusState, Checkpoint, Commit } from '@certbus/events/history';
import { DatabaseSync } from '@certbus/store/sqlite-files';
import { type Change, createReader, type ReplicaReader } from '../reader.ts';
import type { ReplicaRole } from '../writer/role.ts';
import { certificateRow } from '../writer/rows.ts';
import { begin, createBareTables, createTableWriter, inTransaction, type TableWriter } from '../writer/tables.ts';

/** A certificate as some commits leave it. */
export interface UnwrittenCertificate extends Pick<Change, 'position' | 'isServed'> {
  readonly certificate: ManagedCertificate;
}

/** What some commits changed in a replica, for those who read it. */
export interface UnwrittenChange {
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  readonly certificates: readonly UnwrittenCertificate[];
  readonly issuers: readonly { readonly hash: string; readonly certificate: Uint8Array }[];
}

/** Commits in the order in which they are to be written. */
export interface Unwritten {
  /** How far they go. */
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  /** Takes commits that follow; `undefined`, and nothing taken, where they would take too much memory. Throws `CERTBUS_REPLICA_BEHIND`. */
  take(commits: readonly Commit[], checkpoint: Checkpoint): UnwrittenChange | undefined;
  /** Gives all of them to `write`, which throws where there is no room yet. */
  writeTo(write: (commits: readonly Commit[], checkpoint: Checkpoint) => void): void;
}

/** About 60 MB: a renewal is four events. */
const MAX_EVENTS = 20_000;

const countOf = (commits: readonly Commit[]): number => commits.reduce((sum, { events }) => sum + events.length, 0);

const idsIn = (commits: readonly Commit[]): Set<string> =>
  new Set(
    commits.flatMap(({ events }) =>
      events.flatMap(({ event }) => (event && 'certificateId' in event ? [event.certificateId] : [])),
    ),
  );

const issuersIn = (commits: readonly Commit[]): UnwrittenChange['issuers'] =>
  commits.flatMap(({ events }) =>
    events.flatMap(({ event }) =>
      event?.type === 'IssuerAdded'
        ? [{ hash: event.hash, certificate: Buffer.from(event.certificate, 'base64') }]
        : [],
    ),
  );

/** A client is all that serves from memory. */
const role: ReplicaRole = 'client';

/** Tables in memory that go on where a replica is, with none of its certificates. */
function openTables(base: ReplicaReader, busId: string): { database: DatabaseSync; writer: TableWriter } {
  const database = new DatabaseSync(':memory:');
  database.exec('BEGIN');
  createBareTables(database);
  begin(database, 'served', { busId, build: 1, checkpoint: base.checkpoint(), bus: base.bus(), rootEvents: [] });
  const writer = createTableWriter(database, { role });
  writer.complete();
  database.exec('COMMIT');
  return { database, writer };
}

/** Goes on from where a replica is. `base` reads it as it is on the disk. */
export function createUnwritten(base: () => ReplicaReader, busId: string): Unwritten {
  const { database, writer } = openTables(base(), busId);
  const reader = createReader(database);
  const pages: { readonly commits: readonly Commit[]; readonly checkpoint: Checkpoint }[] = [];
  const copied = new Set<string>();
  let events = 0;

  /** Copies the certificates that some commits change, so that there is something to change. */
  function copy(ids: Iterable<string>): void {
    for (const id of ids) {
      const certificate = copied.has(id) ? undefined : base().certificate(id);
      copied.add(id);
      if (certificate)
        writer.load({
          rows: [certificateRow(certificate, { position: 0, servedPosition: null, role })],
          issuances: [],
          ledger: [],
        });
    }
  }

  return {
    get checkpoint() {
      return reader.checkpoint();
    },
    get bus() {
      return reader.bus();
    },
    take(commits, checkpoint) {
      if (events + countOf(commits) > MAX_EVENTS) return undefined;
      const before = reader.checkpoint().position;
      copy(idsIn(commits));
      inTransaction(database, () => writer.take(commits, checkpoint));
      events += countOf(commits);
      pages.push({ commits, checkpoint });
      const certificates = reader.changedSince(before, MAX_EVENTS).flatMap(({ certificateId, position, isServed }) => {
        const certificate = reader.certificate(certificateId);
        return certificate ? [{ certificate, position, isServed }] : [];
      });
      return { checkpoint, bus: reader.bus(), certificates, issuers: issuersIn(commits) };
    },
    writeTo(write) {
      for (let [page] = pages; page; [page] = pages) {
        write(page.commits, page.checkpoint);
        pages.shift();
      }
    },
  };
}
