/** Certificates and issuers as rows of the tables. */

import {
  dutyOf,
  type FailureClass,
  type ManagedCertificate,
  nameSetKey,
  nextActionAt,
  urgentAt,
} from '@certbus/events';
import { type LedgerEntry, servedNames } from '@certbus/events/history';
import type { SnapshotRecord } from '@certbus/store';
import { issuerNumber } from './duties.ts';
import { hasPart, keptPart, type ReplicaRole } from './role.ts';
import { traitsOf } from './traits.ts';

/** A certificate as the tables hold it: its state as JSON, and beside it what queries look for. */
export interface CertificateRow {
  readonly certificateId: string;
  /** Position of its last event. */
  readonly position: number;
  /** Position where what is served of it last changed; `null` where it is what it was, or nothing ever was served. */
  readonly servedPosition: number | null;
  /** `null` where only a manager asks for it. */
  readonly nameSet: string | null;
  /** JSON of its names, where these columns say all that a list shows; `null` where more is to be told, and where only a manager asks for it. */
  readonly plainNames: string | null;
  /** When a manager should act on it, in milliseconds; `null` for never. */
  readonly nextActionAt: number | null;
  /** The same without what puts it off, in milliseconds; `null` for never. */
  readonly wantedAt: number | null;
  /** Until when a claim or a back-off puts it off, in milliseconds; `null` where neither does. */
  readonly pausedUntil: number | null;
  /** From when on it is urgent, in milliseconds; `null` where nothing is served. */
  readonly urgentAt: number | null;
  /** Class of its last failure; `null` where it has not failed since it was last issued. */
  readonly failing: FailureClass | null;
  /** `issuerNumber` of the CA that issued what is served; `null` where nothing is, or it was imported. */
  readonly issuedBy: number | null;
  /** When it ends, in milliseconds; `null` where nothing is served. */
  readonly notAfter: number | null;
  /** When its lifetime begins, in milliseconds; `null` where nothing is served. */
  readonly issuedAt: number | null;
  /** Position of the commit with what is served; `null` where nothing is, or that commit was not read. */
  readonly obtained: number | null;
  /** When the last leaf of a removed one ends that is kept so that it can be revoked, in milliseconds; `null` for all others. */
  readonly retiredUntil: number | null;
  /** When its names were first found lost, in milliseconds; `null` where they are not, or it was removed. */
  readonly lostSince: number | null;
  /** As `traitsOf` writes them. */
  readonly traits: string;
  readonly removed: boolean;
  /** Its JSON; as bytes where that spares a thread the decoding. */
  readonly state: string | Uint8Array;
  /** The names that it is served for. */
  readonly names: readonly string[];
}

/** An issuer as the tables hold it. */
export interface IssuerRow {
  readonly hash: string;
  /** DER. */
  readonly issuer: Uint8Array;
}

/** What only a manager looks for. */
type DutyColumns = Pick<
  CertificateRow,
  | 'nameSet'
  | 'plainNames'
  | 'nextActionAt'
  | 'wantedAt'
  | 'pausedUntil'
  | 'urgentAt'
  | 'failing'
  | 'issuedBy'
  | 'lostSince'
>;

const NO_DUTY: DutyColumns = {
  nameSet: null,
  plainNames: null,
  nextActionAt: null,
  wantedAt: null,
  pausedUntil: null,
  urgentAt: null,
  failing: null,
  issuedBy: null,
  lostSince: null,
};

function issuerNumberOf({ current }: ManagedCertificate): number | null {
  return current?.directory === undefined ? null : issuerNumber(current.directory);
}

/** Its renewal is wanted at the beginning of time, or never, wherever more than its lifetime and its CA's window decide. */
function plainNames({ names, current, failure, lost }: ManagedCertificate, wantedAt: Date | undefined): string | null {
  if (!current || failure || lost || !wantedAt || wantedAt.getTime() === 0) return null;
  // Another program's manager can write the same instant in another way.
  return new Date(current.notAfter).toISOString() === current.notAfter ? JSON.stringify(names) : null;
}

function dutyColumns(certificate: ManagedCertificate): DutyColumns {
  const duty = dutyOf(certificate);
  return {
    nameSet: nameSetKey(certificate.names),
    plainNames: plainNames(certificate, duty?.wantedAt),
    nextActionAt: nextActionAt(certificate)?.getTime() ?? null,
    wantedAt: duty?.wantedAt.getTime() ?? null,
    pausedUntil: duty?.pausedUntil?.getTime() ?? null,
    urgentAt: urgentAt(certificate)?.getTime() ?? null,
    failing: certificate.removed ? null : (certificate.failure?.class ?? null),
    issuedBy: issuerNumberOf(certificate),
    lostSince: certificate.lost && !certificate.removed ? Date.parse(certificate.lost.since) : null,
  };
}

/** What a certificate is found due, urgent or ended by, and what a list has of it: its columns by their names in the table. */
export function judgedColumns(
  certificate: ManagedCertificate,
  role: ReplicaRole,
): Readonly<Record<string, string | number | null>> {
  const columns = role === 'manager' ? dutyColumns(certificate) : NO_DUTY;
  return {
    not_after: certificate.current ? Date.parse(certificate.current.notAfter) : null,
    plain_names: columns.plainNames,
    next_action_at: columns.nextActionAt,
    wanted_at: columns.wantedAt,
    paused_until: columns.pausedUntil,
    urgent_at: columns.urgentAt,
    failing: columns.failing,
    traits: traitsOf(certificate),
  };
}

function retiredUntil({ removed, retired }: ManagedCertificate): number | null {
  return removed && retired ? Math.max(...retired.map(({ notAfter }) => Date.parse(notAfter))) : null;
}

/** The row of a certificate that has been cut to its part for a role. */
export function certificateRow(
  certificate: ManagedCertificate,
  {
    position,
    servedPosition,
    role,
  }: Pick<CertificateRow, 'position' | 'servedPosition'> & { readonly role: ReplicaRole },
): CertificateRow & { readonly state: string } {
  const { certificateId, removed, current } = certificate;
  return {
    certificateId,
    position,
    servedPosition,
    ...(role === 'manager' ? dutyColumns(certificate) : NO_DUTY),
    notAfter: current ? Date.parse(current.notAfter) : null,
    issuedAt: current ? Date.parse(current.notBefore) : null,
    obtained: current?.origin?.position ?? null,
    retiredUntil: retiredUntil(certificate),
    traits: traitsOf(certificate),
    removed,
    state: JSON.stringify(certificate),
    names: namesOf(certificate),
  };
}

/** The names that a certificate is found by, each once. */
export const namesOf = (certificate: ManagedCertificate): readonly string[] => [...new Set(servedNames(certificate))];

export function issuerRow({ hash, certificate }: { readonly hash: string; readonly certificate: string }): IssuerRow {
  return { hash, issuer: Buffer.from(certificate, 'base64') };
}

/** An issuance that is open, as the tables of a client hold it. */
export interface IssuanceRow {
  readonly certificateId: string;
  readonly issuanceId: string;
}

/** Rows for another thread. */
export interface LoadedRows {
  readonly rows: readonly (CertificateRow | IssuerRow)[];
  readonly issuances: readonly IssuanceRow[];
  /** What was spent of the limits of CAs, for a manager. */
  readonly ledger: readonly LedgerEntry[];
  /** The memory of all their states, which MAY be transferred instead of copied. */
  readonly memory: ArrayBuffer;
}

type RowRecord = Exclude<SnapshotRecord, { readonly spent: LedgerEntry }>;

/** Whether a record becomes a row of a role's tables of issuers and certificates. */
const isKept =
  (role: ReplicaRole) =>
  (record: SnapshotRecord): record is RowRecord =>
    'issuer' in record || ('certificate' in record && hasPart(record.certificate, role));

/** Makes records of a snapshot ready, on the thread that reads them: the one that writes is busy enough with writing. */
export function loadedRows(records: readonly SnapshotRecord[], role: ReplicaRole): LoadedRows {
  const certificates = records.filter((record) => 'certificate' in record);
  const issuances = certificates.flatMap(({ certificate: { certificateId, issuance } }) =>
    role === 'client' && issuance ? [{ certificateId, issuanceId: issuance.issuanceId }] : [],
  );
  const ledger = records.flatMap((record) => ('spent' in record && role === 'manager' ? record.spent : []));
  const rows = records.filter(isKept(role)).map((record) =>
    'issuer' in record
      ? issuerRow(record.issuer)
      : certificateRow(keptPart(record.certificate, role), {
          position: record.position,
          servedPosition: record.position,
          role,
        }),
  );
  const sizes = rows.map((row) => ('issuer' in row ? 0 : Buffer.byteLength(row.state)));
  const memory = new ArrayBuffer(sizes.reduce((sum, size) => sum + size, 0));
  let offset = 0;
  const moved = rows.map((row, index) => {
    if ('issuer' in row) return row;
    const state = Buffer.from(memory, offset, sizes[index]);
    offset += state.write(row.state);
    return { ...row, state: new Uint8Array(memory, state.byteOffset, state.length) };
  });
  return { rows: moved, issuances, ledger, memory };
}
