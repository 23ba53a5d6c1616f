/** Snapshots of the whole state of a bus: writes, publishes and opens them. */
import { isDeepStrictEqual } from 'node:util';
import { EventsError, isHash, sha256, type Trust } from '@certbus/events';
import {
  type BusState,
  type Checkpoint,
  checkpointOf,
  type PlacedRootEvent,
  parseBusState,
} from '@certbus/events/history';
import * as v from 'valibot';
import { StoreError } from '../errors.ts';
import { type ArchivePlace, MAX_MANIFEST_BYTES, type PlaceOptions } from './place.ts';
import { packRecords, type SnapshotRecord, unpackRecords } from './slim-records.ts';

/** The whole state behind one commit. */
export interface SnapshotContent {
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  /** Every root event up to the commit, which prove the checkpoint. */
  readonly rootEvents: readonly PlacedRootEvent[];
  readonly records: Iterable<SnapshotRecord>;
}

/** A snapshot that is in the archive, as `SnapshotTaken` has it. */
export interface TakenSnapshot {
  readonly position: number;
  /** Hash of the commit at that position, base64url. */
  readonly hash: string;
  /** SHA-256 of the manifest, base64url. */
  readonly manifest: string;
  /** Key of the manifest. */
  readonly place: string;
}

/**
 * A snapshot that was found. Its checkpoint, and the recipients of its state, are proved by the root; the rest only by the
 * `SnapshotTaken` that names it.
 */
export interface Snapshot extends TakenSnapshot {
  readonly checkpoint: Checkpoint;
  readonly bus: BusState;
  readonly rootEvents: readonly PlacedRootEvent[];
  /** The records, in frames. Rejects `CERTBUS_STORE_SNAPSHOT_REFUSED` where one is damaged. */
  records(options?: PlaceOptions): AsyncIterable<readonly SnapshotRecord[]>;
}

const FRAME_RECORDS = 256;
/** Almost always fewer: a certificate has two. One of 100 names with its key is 8 kB, and a frame may have 64,000,000 bytes. */
const FRAME_LEAVES = 2_000;
const CHUNK_BYTES = 32_000_000;

const hash = v.pipe(v.string(), v.check(isHash));
const position = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const manifestSchema = v.object({
  format: v.literal(1),
  busId: hash,
  position,
  hash,
  rootEvents: v.array(
    v.object({
      position,
      root: v.object({ type: v.string(), rootSequence: position, body: v.string(), rootSignature: v.string() }),
    }),
  ),
  bus: v.unknown(),
  chunks: v.array(v.object({ sha256: hash, bytes: position })),
});
type Manifest = v.InferOutput<typeof manifestSchema>;
const pointerSchema = v.object({ position, restored: v.number(), place: v.string() });

/** Behind the bus's folder: a position and a hash. */
const MANIFEST_NAME = /^\d{12,16}\/[\w-]{43}\.json$/;

const folderOf = (busId: string, at: number): string => `snapshots/${busId}/${String(at).padStart(12, '0')}`;
const chunkKey = (busId: string, at: number, sum: string): string => `${folderOf(busId, at)}/${sum}.zst`;
const pointerKey = (busId: string): string => `snapshots/${busId}/latest`;

/** How many leaves a record has, at least one. */
function leavesIn(record: SnapshotRecord): number {
  if (!('certificate' in record)) return 1;
  const { predecessors, retired = [] } = record.certificate;
  return 1 + predecessors.length + retired.length;
}

function* frames(records: Iterable<SnapshotRecord>): Iterable<Uint8Array> {
  let frame: SnapshotRecord[] = [];
  let leaves = 0;
  for (const record of records) {
    frame.push(record);
    leaves += leavesIn(record);
    if (frame.length < FRAME_RECORDS && leaves < FRAME_LEAVES) continue;
    yield packRecords(frame);
    frame = [];
    leaves = 0;
  }
  if (frame.length > 0) yield packRecords(frame);
}

/** A length, then as many bytes. */
function framed(frame: Uint8Array): Uint8Array[] {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(frame.length);
  return [length, frame];
}

async function writeChunks(
  place: ArchivePlace,
  { busId, at, records }: { busId: string; at: number; records: Iterable<SnapshotRecord> },
  options: PlaceOptions,
): Promise<Manifest['chunks']> {
  const chunks: Manifest['chunks'] = [];
  let waiting: Uint8Array[] = [];
  let size = 0;
  const flush = async () => {
    if (size === 0) return;
    const bytes = Buffer.concat(waiting);
    const sum = sha256(bytes);
    await place.put(chunkKey(busId, at, sum), bytes, options);
    chunks.push({ sha256: sum, bytes: bytes.length });
    waiting = [];
    size = 0;
  };
  for (const frame of frames(records)) {
    waiting.push(...framed(frame));
    size += frame.length + 4;
    if (size >= CHUNK_BYTES) await flush();
    // Each frame is a few milliseconds of work: others can run in between.
    await new Promise((resolve) => setImmediate(resolve));
  }
  await flush();
  return chunks;
}

/** Puts a snapshot into the archive, manifest last. It is not found before {@link publishSnapshot}. */
export async function writeSnapshot(
  place: ArchivePlace,
  busId: string,
  { checkpoint, bus, rootEvents, records }: SnapshotContent,
  options: PlaceOptions = {},
): Promise<TakenSnapshot> {
  const at = checkpoint.position;
  if (checkpoint.hash === null) throw new TypeError('An empty bus has no snapshot');
  const chunks = await writeChunks(place, { busId, at, records }, options);
  const content = { format: 1, busId, position: at, hash: checkpoint.hash, rootEvents, bus, chunks };
  const manifest = Buffer.from(JSON.stringify(content));
  if (manifest.length > MAX_MANIFEST_BYTES) {
    const what = `The snapshot's manifest would have ${manifest.length} bytes, which no reader accepts: at most ${MAX_MANIFEST_BYTES} are allowed.`;
    throw new StoreError('CERTBUS_STORE_TOO_LARGE', what);
  }
  const sum = sha256(manifest);
  const key = `${folderOf(busId, at)}/${sum}.json`;
  await place.put(key, manifest, options);
  return { position: at, hash: checkpoint.hash, manifest: sum, place: key };
}

function parse<T>(key: string, schema: v.GenericSchema<unknown, T>, bytes: Uint8Array): T {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw refuse(key, 'it is not JSON', cause);
  }
  const parsed = v.safeParse(schema, json, { abortEarly: true });
  if (parsed.success) return parsed.output;
  throw refuse(key, `its ${v.getDotPath(parsed.issues[0]) ?? 'shape'} is wrong`);
}

function refuse(key: string, why: string, cause?: unknown): StoreError {
  const what = `The snapshot's ${key} is refused: ${why}. The archives and the log are read instead.`;
  return new StoreError('CERTBUS_STORE_SNAPSHOT_REFUSED', what, { cause });
}

/** How far the bus of a snapshot goes. */
export interface SnapshotStanding {
  /** Sequence of the last restore before the snapshot. */
  readonly restored: number;
  /** The head of the bus, which no snapshot of it is beyond. */
  readonly head: Pick<Checkpoint, 'position' | 'restored'>;
}

/** Makes a snapshot the one that new readers find, unless they find a newer one already. Call it once `SnapshotTaken` is on the bus. */
export async function publishSnapshot(
  place: ArchivePlace,
  busId: string,
  taken: TakenSnapshot,
  { restored, head }: SnapshotStanding,
  options: PlaceOptions = {},
): Promise<void> {
  const key = pointerKey(busId);
  const change = (current: Uint8Array | undefined): Uint8Array | undefined => {
    const known = current && v.safeParse(pointerSchema, safeJson(current));
    // After a restore the line is younger, though its positions are lower.
    const isNewer =
      known?.success &&
      (restored > known.output.restored ||
        (restored === known.output.restored && taken.position > known.output.position));
    // A pointer that somebody with access to the archive made up would prevent every later snapshot from being found.
    const isForged = !known?.success || known.output.position > head.position || known.output.restored > head.restored;
    return isNewer || isForged
      ? Buffer.from(JSON.stringify({ position: taken.position, restored, place: taken.place }))
      : undefined;
  };
  await place.update(key, change, options);
}

function safeJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(bytes).toString());
  } catch {
    // A damaged pointer is replaced.
    return undefined;
  }
}

async function* readChunk(key: string, chunk: Uint8Array): AsyncIterable<readonly SnapshotRecord[]> {
  const bytes = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  for (let offset = 0; offset < bytes.length; ) {
    let records: SnapshotRecord[];
    try {
      const end = offset + 4 + bytes.readUInt32LE(offset);
      records = unpackRecords(bytes.subarray(offset + 4, end));
      offset = end;
    } catch (cause) {
      throw refuse(key, 'a frame of it cannot be unpacked', cause);
    }
    yield records;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function* readChunks(
  place: ArchivePlace,
  { busId, position: at, chunks }: Manifest,
  options: PlaceOptions,
): AsyncIterable<readonly SnapshotRecord[]> {
  for (const { sha256: sum } of chunks) {
    const key = chunkKey(busId, at, sum);
    const chunk = await place.get(key, options);
    if (!chunk) throw refuse(key, 'it is missing');
    if (sha256(chunk) !== sum) throw refuse(key, 'its bytes are not those of its manifest');
    yield* readChunk(key, chunk);
  }
}

/** What is in force behind a snapshot, by its root events alone. */
function proveCheckpoint(key: string, trust: Trust, { position: at, hash: sum, rootEvents }: Manifest): Checkpoint {
  if (rootEvents.some((placed) => placed.position > at)) throw refuse(key, 'it has a root event of a later commit');
  try {
    return checkpointOf(trust, { position: at, hash: sum }, rootEvents);
  } catch (cause) {
    if (!(cause instanceof EventsError)) throw cause;
    throw refuse(key, 'its root events are not those of the root', cause);
  }
}

/** The state of the bus in a manifest. What only the root can say of it must be what the root said. */
function parseBus(key: string, manifest: Manifest, { recipients, recipientsPosition }: Checkpoint): BusState {
  const bus = parseBusState(manifest.bus);
  if (!bus) throw refuse(key, 'its state of the bus is malformed');
  if (!isDeepStrictEqual(bus.recipients, recipients) || bus.recipientsPosition !== recipientsPosition)
    throw refuse(key, 'its recipients are not those of the root');
  const keys = [...bus.accounts, ...bus.nextAccountKeys, ...bus.replacedAccounts];
  const placed = [bus.config, bus.archived, ...bus.snapshots].flatMap((each) => (each ? [each.position] : []));
  const positions = [
    ...placed,
    ...keys.flatMap(({ keyPosition, sealedPosition = keyPosition }) => [keyPosition, sealedPosition]),
  ];
  if (positions.some((at) => at > manifest.position)) throw refuse(key, 'its state is that of a later commit');
  return bus;
}

export interface OpenSnapshotOptions extends PlaceOptions {
  /** The one to open; default the newest. */
  readonly taken?: TakenSnapshot;
}

/** Key of the newest snapshot's manifest; `undefined` where there is none. */
async function findNewest(place: ArchivePlace, busId: string, options: PlaceOptions): Promise<string | undefined> {
  const key = pointerKey(busId);
  const pointer = await place.get(key, options);
  return pointer && parse(key, pointerSchema, pointer).place;
}

/**
 * Finds the newest snapshot of a bus, or one of those that it names; `undefined` where there is none. Its root events are checked here against the trusted
 * root; whether a `SnapshotTaken` behind it names its manifest, the reader MUST check before it opens its records. Rejects
 * `CERTBUS_STORE_SNAPSHOT_REFUSED` and with what the place rejects.
 */
export async function openSnapshot(
  place: ArchivePlace,
  trust: Trust,
  { taken, ...options }: OpenSnapshotOptions = {},
): Promise<Snapshot | undefined> {
  const small = { ...options, maxBytes: MAX_MANIFEST_BYTES };
  const manifestPlace = taken ? taken.place : await findNewest(place, trust.busId, small);
  if (manifestPlace === undefined) return undefined;
  const folder = `snapshots/${trust.busId}/`;
  if (!manifestPlace.startsWith(folder) || !MANIFEST_NAME.test(manifestPlace.slice(folder.length)))
    throw refuse(pointerKey(trust.busId), 'it points somewhere else');
  const bytes = await place.get(manifestPlace, small);
  if (!bytes) throw refuse(manifestPlace, 'it is missing');
  const manifest = parse(manifestPlace, manifestSchema, bytes);
  if (manifest.busId !== trust.busId) throw refuse(manifestPlace, 'it belongs to another bus');
  const { position, hash, rootEvents } = manifest;
  const checkpoint = proveCheckpoint(manifestPlace, trust, manifest);
  const bus = parseBus(manifestPlace, manifest, checkpoint);
  return {
    position,
    hash,
    manifest: sha256(bytes),
    place: manifestPlace,
    checkpoint,
    bus,
    rootEvents,
    records: (own = options) => readChunks(place, manifest, own),
  };
}
