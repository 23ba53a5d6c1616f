import type { DatabaseSync } from 'node:sqlite';
import {
  BEGINNING,
  type CertificateEvent,
  type Checkpoint,
  type Commit,
  EMPTY_BUS,
  evolve,
  evolveBus,
  type IssuerAdded,
  type ManagedCertificate,
  nameSetKey,
  nextActionAt,
} from '@certbus/events';
import { ReplicaError } from './errors.ts';
import { createReader } from './reader.ts';
import { SCHEMA } from './schema.ts';

/** Makes the tables for one bus in an empty database. */
export function createTables(database: DatabaseSync, busId: string): void {
  database.exec(`BEGIN IMMEDIATE; ${SCHEMA}`);
  database
    .prepare('INSERT INTO bus (id, bus_id, position, checkpoint, state) VALUES (1, ?, 0, ?, ?)')
    .run(busId, JSON.stringify(BEGINNING), JSON.stringify(EMPTY_BUS));
  database.exec('COMMIT');
}

/** Takes verified commits into a database. */
export type Writer = (commits: readonly Commit[], checkpoint: Checkpoint) => void;

/**
 * Makes the function that takes commits: certificates, names, issuers, bus state and position change in one transaction,
 * which is what makes the effect of every commit exactly once. It throws `CERTBUS_REPLICA_BEHIND` unless the commits follow
 * directly on what the replica has.
 */
export function createWriter(database: DatabaseSync): Writer {
  const reader = createReader(database);
  const upsert = database.prepare(
    `INSERT INTO certificates (certificate_id, position, name_set, next_action_at, not_after, removed, state) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (certificate_id) DO UPDATE SET position = excluded.position, name_set = excluded.name_set,
       next_action_at = excluded.next_action_at, not_after = excluded.not_after, removed = excluded.removed, state = excluded.state`,
  );
  const dropNames = database.prepare('DELETE FROM names WHERE certificate_id = ?');
  const addName = database.prepare('INSERT INTO names (name, certificate_id) VALUES (?, ?)');
  const addIssuer = database.prepare('INSERT INTO issuers (hash, certificate) VALUES (?, ?) ON CONFLICT DO NOTHING');
  const moveOn = database.prepare('UPDATE bus SET position = ?, checkpoint = ?, state = ? WHERE position = ?');

  function save(certificate: ManagedCertificate, position: number): void {
    const { certificateId, names, removed, current } = certificate;
    const due = nextActionAt(certificate)?.getTime() ?? null;
    const end = current ? Date.parse(current.notAfter) : null;
    upsert.run(certificateId, position, nameSetKey(names), due, end, Number(removed), JSON.stringify(certificate));
    dropNames.run(certificateId);
    if (current) for (const name of current.names) addName.run(name, certificateId);
  }

  function take(commits: readonly Commit[], checkpoint: Checkpoint): void {
    const changed = new Map<string, { certificate: ManagedCertificate; position: number }>();
    let bus = reader.bus();
    const takeCertificateEvent = (event: CertificateEvent, { position, at }: Commit) => {
      const before = changed.get(event.certificateId)?.certificate ?? reader.certificate(event.certificateId);
      const certificate = evolve(before, event, { at });
      if (certificate) changed.set(event.certificateId, { certificate, position });
    };
    for (const commit of commits) {
      bus = evolveBus(bus, commit);
      for (const { event } of commit.events) {
        if (event && 'certificateId' in event) takeCertificateEvent(event, commit);
        if (event?.type === 'IssuerAdded') saveIssuer(event);
      }
    }
    for (const { certificate, position } of changed.values()) save(certificate, position);
    const before = (commits[0]?.position ?? 0) - 1;
    const { changes } = moveOn.run(checkpoint.position, JSON.stringify(checkpoint), JSON.stringify(bus), before);
    if (changes === 1) return;
    const what = `Commits from position ${before + 1} on do not follow on the replica, which is at ${reader.checkpoint().position}.`;
    throw new ReplicaError('CERTBUS_REPLICA_BEHIND', what);
  }

  function saveIssuer({ hash, certificate }: IssuerAdded): void {
    addIssuer.run(hash, Buffer.from(certificate, 'base64'));
  }

  return (commits, checkpoint) => {
    if (commits.length === 0) return;
    database.exec('BEGIN IMMEDIATE');
    try {
      take(commits, checkpoint);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
  };
}
