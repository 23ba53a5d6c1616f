/** Builds update messages (RFC 2136). */
import { encode } from 'dns-packet';

/** A TXT value that is added to a name, or taken away. */
export interface ValueUpdate {
  readonly action: 'add' | 'remove';
  readonly name: string;
  readonly value: string;
}

const OPCODE_UPDATE = 5;
const HEADER_BYTES = 12;
const UPCOUNT_AT = 8;
const CLASS_IN = 1;
const CLASS_NONE = 254;

/** A record of the update section: added, or (class NONE, TTL 0) exactly this one deleted (RFC 2136 §2.5.1, §2.5.4). */
function recordOf({ action, name, value }: ValueUpdate, ttlS: number): Buffer {
  const isAdded = action === 'add';
  const message = encode({ answers: [{ name, type: 'TXT', ttl: isAdded ? ttlS : 0, data: value }] });
  const record = message.subarray(HEADER_BYTES);
  const nameBytes = encode({ questions: [{ name, type: 'A' }] }).length - HEADER_BYTES - 4;
  record.writeUInt16BE(isAdded ? CLASS_IN : CLASS_NONE, nameBytes + 2);
  return record;
}

/**
 * An update of one zone without prerequisites (RFC 2136 §2): values of others are named nowhere, so they stay whatever happens
 * meanwhile, and what is there or gone already is not an error.
 */
export function buildUpdate(
  updates: readonly ValueUpdate[],
  { id, zone, ttlS }: { readonly id: number; readonly zone: string; readonly ttlS: number },
): Buffer {
  const head = encode({ id, flags: OPCODE_UPDATE << 11, questions: [{ name: zone, type: 'SOA' }] });
  head.writeUInt16BE(updates.length, UPCOUNT_AT);
  return Buffer.concat([head, ...updates.map((update) => recordOf(update, ttlS))]);
}
