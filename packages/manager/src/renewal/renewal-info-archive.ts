/** Keeps the notes of when to ask the CAs in the archive, next to the snapshot, for managers whose own folder does not last. */
import { gunzipSync, gzipSync } from 'node:zlib';
import type { ArchivePlace, PlaceOptions } from '@certbus/store';
import * as v from 'valibot';
import type { StoredRenewalInfoNotes } from './renewal-info-notes.ts';
import type { RenewalInfoNote } from './renewal-info-schedule.ts';

const VERSION = 1;
/** Notes of a quarter of a million certificates, packed and not. Anyone may have written the object. */
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

/** The notes as an object of the archive, and how many of them had no room in it: those whose questions come first, so that little is asked again. */
function pack(
  notes: readonly RenewalInfoNote[],
  maxBytes: number,
): { readonly bytes: Uint8Array; readonly leftOut: number } {
  let kept = notes;
  for (;;) {
    const text = formatNotes(kept);
    const bytes = gzipSync(text);
    const over = Math.max(bytes.length / maxBytes, Buffer.byteLength(text) / MAX_TEXT_BYTES);
    if (over <= 1 || kept.length === 0) return { bytes, leftOut: notes.length - kept.length };
    // A little less than fits, since what is packed is not all of one size.
    const count = Math.floor((kept.length / over) * 0.98);
    kept = kept.toSorted((one, other) => other.askAt.getTime() - one.askAt.getTime()).slice(0, count);
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
 * Puts the notes into the archive, as many of them as `maxBytes` have room for, default 16 MB. Returns how many were left out: a start in an empty folder
 * asks about those. Rejects as the place does.
 */
export async function archiveNotes(
  notes: Pick<StoredRenewalInfoNotes, 'all'>,
  {
    place,
    busId,
    maxBytes = MAX_BYTES,
    ...options
  }: PlaceOptions & { readonly place: ArchivePlace; readonly busId: string; readonly maxBytes?: number },
): Promise<number> {
  const { bytes, leftOut } = pack(notes.all(), maxBytes);
  await place.put(keyOf(busId), bytes, options);
  return leftOut;
}
