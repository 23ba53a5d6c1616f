/** Records of a snapshot in compressed frames. */
import { type EventOf, type ManagedCertificate, sha256 } from '@certbus/events';
import type { LedgerEntry } from '@certbus/events/history';
import { zstd } from '../node-modules.ts';

/** What a snapshot is a list of: a managed certificate with the position of its last event, an issuer, or what was spent of a CA's limit. */
export type SnapshotRecord =
  | { readonly position: number; readonly certificate: ManagedCertificate }
  | { readonly issuer: Omit<EventOf<'IssuerAdded'>, 'type'> }
  | { readonly spent: LedgerEntry };

/** Fields whose base64 is written as bytes, each kind together, since they compress unlike each other. */
const BINARY = ['leaf', 'sealedKey', 'csr', 'certificate'] as const;
type Binary = (typeof BINARY)[number];
type Blobs = Record<Binary, Buffer[]>;
/** What a frame may at most become when it is opened. */
const MAX_FRAME_BYTES = 64_000_000;

const isBinary = (key: string, value: unknown): value is string =>
  typeof value === 'string' && (BINARY as readonly string[]).includes(key);

function toJson(records: readonly SnapshotRecord[], blobs: Blobs): string {
  return JSON.stringify(records, function (this: unknown, key, value: unknown) {
    // The hash of a leaf is computed again from the leaf.
    if (key === 'leafHash') return undefined;
    if (!isBinary(key, value)) return value;
    const bytes = Buffer.from(value, 'base64');
    blobs[key as Binary].push(bytes);
    return bytes.length;
  });
}

type Json = { [key: string]: unknown };

/** Walks in the order in which {@link toJson} did, which is that of the fields. */
function restore(value: unknown, take: (kind: Binary, length: number) => string): void {
  if (Array.isArray(value)) for (const item of value) restore(item, take);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return;
  const fields = value as Json;
  for (const [key, inner] of Object.entries(fields)) {
    if (isBinary(key, inner)) throw new RangeError('a frame has base64 where a length belongs');
    if ((BINARY as readonly string[]).includes(key) && typeof inner === 'number')
      fields[key] = take(key as Binary, inner);
    else restore(inner, take);
  }
  if (
    typeof fields['certificate'] === 'string' &&
    fields['hash'] !== sha256(Buffer.from(fields['certificate'], 'base64'))
  )
    throw new RangeError('a frame has an issuer under the hash of another');
  if (typeof fields['leaf'] === 'string') fields['leafHash'] = sha256(Buffer.from(fields['leaf'], 'base64'));
}

/** Records as one compressed frame: the length of the JSON, the JSON, and behind it the bytes it stands for, kind by kind. */
export function packRecords(records: readonly SnapshotRecord[]): Uint8Array {
  const blobs: Blobs = { leaf: [], sealedKey: [], csr: [], certificate: [] };
  const json = Buffer.from(toJson(records, blobs));
  const head = Buffer.alloc(4 + 4 * BINARY.length);
  head.writeUInt32LE(json.length, 0);
  const sections = BINARY.map((kind, index) => {
    const section = Buffer.concat(blobs[kind]);
    head.writeUInt32LE(section.length, 4 + 4 * index);
    return section;
  });
  return zstd.zstdCompressSync(Buffer.concat([head, json, ...sections]));
}

/** The records of a frame. Throws where it is damaged. */
export function unpackRecords(frame: Uint8Array): SnapshotRecord[] {
  const bytes = zstd.zstdDecompressSync(frame, { maxOutputLength: MAX_FRAME_BYTES });
  const jsonLength = bytes.readUInt32LE(0);
  let offset = 4 + 4 * BINARY.length;
  const json = bytes.toString('utf8', offset, offset + jsonLength);
  offset += jsonLength;
  const sections = new Map<Binary, { start: number; readonly end: number }>();
  for (const [index, kind] of BINARY.entries()) {
    const start = offset;
    offset += bytes.readUInt32LE(4 + 4 * index);
    sections.set(kind, { start, end: offset });
  }
  if (offset !== bytes.length) throw new RangeError('the sections of a frame do not make up its length');
  const records = JSON.parse(json) as SnapshotRecord[];
  restore(records, (kind, length) => {
    const section = sections.get(kind);
    // Bytes that were taken twice would let a small frame become any size.
    if (!section || !Number.isSafeInteger(length) || length < 0 || section.start + length > section.end)
      throw new RangeError('a frame takes bytes that it does not have');
    const { start } = section;
    section.start += length;
    return bytes.toString('base64', start, section.start);
  });
  return records;
}
