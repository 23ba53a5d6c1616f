/** Digests by which a row of a replica is checked without the rest of the file. */
import { crc32 } from 'node:zlib';
import type { ManagedCertificate } from '@certbus/events';
import { ReplicaError } from '../errors.ts';
import { SCHEMA_VERSION } from '../writer/schema.ts';

/** Where a row belongs. */
export interface RowOrigin {
  readonly busId: string;
  /** Which build of the replica's tables. */
  readonly build: number;
  readonly position: number;
}

/**
 * The CRC-32 of a row's texts and of where it belongs. It finds what a disk or a memory does to a row, not what a person does: nobody
 * else can write the file.
 */
export function digestOf({ busId, build, position }: RowOrigin, ...texts: readonly (string | Uint8Array)[]): number {
  const beginning = crc32(`${SCHEMA_VERSION} ${busId} ${build} ${position} `);
  return texts.reduce<number>((digest, text) => crc32(text, digest), beginning);
}

/** The error of a row, or of a whole file, that does not read. */
export function damaged(what: string, cause?: unknown): ReplicaError {
  return new ReplicaError('CERTBUS_REPLICA_DAMAGED', `The replica is damaged: ${what}.`, { cause });
}

/** SQLite's primary result codes for a file that is damaged (sqlite.org/rescode.html). */
const DAMAGED_FILE: readonly number[] = [11, 26];
/** What SQLite reports as any other error: a state that is not JSON any more, and a number in the file's header. */
const DAMAGE_IN_WORDS: readonly string[] = ['malformed JSON', 'unsupported file format'];

/** Whether an error says that what is in a replica's file is damaged, in a row or as a whole. */
export function isDamage(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  if (error instanceof ReplicaError) return error.code === 'CERTBUS_REPLICA_DAMAGED';
  // An integer that nobody wrote: no number of a replica is that large.
  if ('code' in error && error.code === 'ERR_OUT_OF_RANGE') return true;
  if (!('errcode' in error) || typeof error.errcode !== 'number') return false;
  return DAMAGED_FILE.includes(error.errcode & 0xff) || DAMAGE_IN_WORDS.includes(error.message);
}

/** Damage as an error of the replica. */
export const damageOf = (error: unknown): ReplicaError =>
  error instanceof ReplicaError ? error : damaged(error instanceof Error ? error.message : String(error), error);

type Row = Readonly<Record<string, unknown>>;

/** What {@link checkedState} needs of `states`. */
export const CHECKED_STATE = 'of_position, of_build, digest, state';

/** The certificate of a row, selected as {@link CHECKED_STATE}. Throws `CERTBUS_REPLICA_DAMAGED` where the row is not what was written. */
export function checkedState(row: Row, busId: string): ManagedCertificate {
  const state = String(row['state']);
  const origin = { busId, build: Number(row['of_build']), position: Number(row['of_position']) };
  if (digestOf(origin, state) === row['digest']) return JSON.parse(state);
  throw damaged('the row of a certificate does not fit its digest');
}

/** What {@link checkedBus} needs of `bus`. */
export const CHECKED_BUS = 'bus_id, position, build, is_complete, checkpoint, state, digest';

/** What the row of a bus itself holds. */
export interface BusRow {
  /** JSON. */
  readonly checkpoint: string;
  /** JSON. */
  readonly state: string;
  readonly isComplete: boolean;
}

/** The digest of the row of a bus itself. */
export const busDigestOf = (origin: RowOrigin, { checkpoint, state, isComplete }: BusRow): number =>
  digestOf(origin, checkpoint, state, isComplete ? 'complete' : '');

/** The row of the bus itself. Throws `CERTBUS_REPLICA_DAMAGED` where the row is not what was written. */
export function checkedBus(row: Row | undefined): BusRow {
  const found = {
    checkpoint: String(row?.['checkpoint']),
    state: String(row?.['state']),
    isComplete: row?.['is_complete'] === 1,
  };
  const origin = { busId: String(row?.['bus_id']), build: Number(row?.['build']), position: Number(row?.['position']) };
  if (row && busDigestOf(origin, found) === row['digest']) return found;
  throw damaged('the row of the bus itself does not fit its digest');
}
