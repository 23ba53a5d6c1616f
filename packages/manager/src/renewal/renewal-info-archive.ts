/** Keeps the notes of when to ask the CAs in the archive, next to the snapshot, for managers whose own folder does not last. */
import { promisify } from 'node:util';
import { gunzipSync, gzip } from 'node:zlib';
import type { ArchivePlace, PlaceOptions } from '@certbus/store';
import * as v from 'valibot';
import type { StoredRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNote } from './renewal-info-schedule.ts';

const VERSION = 1;
/** Notes that an object has room for, and what they take, packed and not. Anyone may have written the object. */
const MOST = 250_000;
const MAX_BYTES = 16_000_000;
const MAX_TEXT_BYTES = 64_000_000;

/** Certificate, hash of the leaf, place of the directory in the list, instant in milliseconds, failures. */
const ROW = v.tuple([
  v.pipe(v.string(), v.maxLength(64)),
  v.pipe(v.string(), v.maxLength(64)),
  v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
  v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.maxValue(8_640_000_000_000_000)),
  v.pipe(v.number(), v.safeInteger(), v.minValue(0)),
]);
const NOTES = v.object({ version: v.literal(VERSION), directories: v.array(v.string()), notes: v.array(ROW) });

const gzipText = promisify<string, Buffer>(gzip);

const keyOf = (busId: string): string => `snapshots/${busId}/renewal-info`;

function formatNotes(notes: Iterable<RenewalInfoNote>): string {
  const directories = new Map<string, number>();
  const rows: v.InferOutput<typeof ROW>[] = [];
  for (const { certificateId, leafHash, directory, askAt, failures } of notes) {
    const at = directories.get(directory) ?? directories.size;
    directories.set(directory, at);
    rows.push([certificateId, leafHash, at, askAt.getTime(), failures]);
  }
  return JSON.stringify({ version: VERSION, directories: [...directories.keys()], notes: rows });
}

/** As many notes, the latest first, as an object of the archive has room for, and how many those are. */
async function pack(
  notes: readonly RenewalInfoNote[],
  maxBytes: number,
): Promise<{ readonly bytes: Uint8Array; readonly count: number }> {
  for (let kept = notes; ; ) {
    const text = formatNotes(kept);
    const bytes = await gzipText(text);
    const over = Math.max(bytes.length / maxBytes, Buffer.byteLength(text) / MAX_TEXT_BYTES);
    if (over <= 1 || kept.length === 0) return { bytes, count: kept.length };
    // A little less than fits, since what is packed is not all of one size.
    kept = kept.slice(0, Math.floor((kept.length / over) * 0.98));
  }
}

/** The notes in an object; none where it is not one that this release reads. */
function unpack(bytes: Uint8Array): readonly RenewalInfoNote[] {
  let json: unknown;
  try {
    json = JSON.parse(gunzipSync(bytes, { maxOutputLength: MAX_TEXT_BYTES }).toString());
  } catch {
    return [];
  }
  const { success, output } = v.safeParse(NOTES, json);
  if (!success) return [];
  return output.notes.flatMap(([certificateId, leafHash, at, askAt, failures]) => {
    const directory = output.directories[at];
    return directory === undefined ? [] : { certificateId, leafHash, directory, askAt: new Date(askAt), failures };
  });
}

/**
 * Takes the notes of the archive where there are none here, so that a manager that begins in an empty folder does not ask the CAs about each
 * certificate. They are a hint, and who writes them can put a question off by 8 days at most: which certificates there are, the bus says. Rejects
 * as the place does.
 */
export async function takeArchivedNotes(
  notes: StoredRenewalInfoNotes,
  { place, busId, ...options }: PlaceOptions & { readonly place: ArchivePlace; readonly busId: string },
): Promise<void> {
  if (!notes.isEmpty()) return;
  const bytes = await place.get(keyOf(busId), { ...options, maxBytes: MAX_BYTES });
  if (bytes) notes.restore(unpack(bytes));
}

/**
 * Puts the notes into the archive, as many of them as `maxBytes` have room for, default 16 MB, and 250,000 at most. Returns how many were left out, of
 * those whose questions come first: a start in an empty folder asks about them. Rejects as the place does.
 */
export async function archiveNotes(
  notes: Pick<StoredRenewalInfoNotes, 'count' | 'latest'>,
  {
    place,
    busId,
    maxBytes = MAX_BYTES,
    ...options
  }: PlaceOptions & { readonly place: ArchivePlace; readonly busId: string; readonly maxBytes?: number },
): Promise<number> {
  // More are not even looked at: a million of them would hold up whatever else this process does.
  const { bytes, count } = await pack(notes.latest(MOST), maxBytes);
  await place.put(keyOf(busId), bytes, options);
  return notes.count() - count;
}
