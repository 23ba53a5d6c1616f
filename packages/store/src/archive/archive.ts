/** Archives ranges of commits, and reads them. */
import { isHash, sha256 } from '@certbus/events';
import * as v from 'valibot';
import { StoreError } from '../errors.ts';
import type { StoredCommit } from '../log.ts';
import { withinPage } from '../page-size.ts';
import { beginBlock, packCommits, unpackCommits } from './commit-blocks.ts';
import { type ArchivePlace, MAX_MANIFEST_BYTES, type PlaceOptions } from './place.ts';

/** Commits of one archived range. */
export const RANGE_COMMITS = 10_000;

/** A range of commits that is in the archive, as `RangeArchived` has it. */
export interface ArchivedRange {
  readonly first: number;
  readonly last: number;
  /** Hash of the last commit, base64url. */
  readonly hash: string;
  /** SHA-256 of the manifest, base64url. */
  readonly manifest: string;
  /** Key of the manifest. */
  readonly place: string;
}

const hash = v.pipe(v.string(), v.check(isHash));
const position = v.pipe(v.number(), v.safeInteger(), v.minValue(1));
const manifestSchema = v.object({
  format: v.literal(1),
  bus: hash,
  first: position,
  last: position,
  /** Hash of the last commit. */
  hash,
  blocks: v.pipe(v.array(v.object({ first: position, sha256: hash })), v.nonEmpty()),
});
type Manifest = v.InferOutput<typeof manifestSchema>;

const digits = (n: number): string => String(n).padStart(12, '0');

/** First position of the range that a position belongs to. */
const rangeStart = (at: number): number => Math.floor((at - 1) / RANGE_COMMITS) * RANGE_COMMITS + 1;

const manifestKey = (busId: string, first: number): string => `archives/${busId}/${digits(first)}/manifest.json`;
const blockKey = (busId: string, range: number, first: number): string =>
  `archives/${busId}/${digits(range)}/${digits(first)}.zst`;

/**
 * Puts a range of proved commits into the archive: compressed blocks first, the manifest last. `commits` are all of one range,
 * in order, in pages. Doing it twice gives the same.
 */
export async function archiveRange(
  place: ArchivePlace,
  busId: string,
  commits: AsyncIterable<readonly StoredCommit[]>,
  options: PlaceOptions = {},
): Promise<ArchivedRange> {
  const blocks: Manifest['blocks'] = [];
  const gathered = beginBlock();
  let last: StoredCommit | undefined;
  const flush = async () => {
    const block = gathered.take();
    const [first] = block;
    if (!first) return;
    const packed = await packCommits(block);
    await place.put(blockKey(busId, rangeStart(first.position), first.position), packed, options);
    blocks.push({ first: first.position, sha256: sha256(packed) });
  };
  for await (const page of commits) {
    for (const commit of page) {
      last = commit;
      if (gathered.add(commit)) await flush();
    }
  }
  await flush();
  const first = blocks[0]?.first ?? 0;
  if (!last || first !== rangeStart(first) || last.position !== first + RANGE_COMMITS - 1)
    throw new TypeError(`A range is ${RANGE_COMMITS} commits from a range's first position on, not ${first} and on`);
  const manifest: Manifest = { format: 1, bus: busId, first, last: last.position, hash: sha256(last.bytes), blocks };
  const bytes = Buffer.from(JSON.stringify(manifest));
  const key = manifestKey(busId, first);
  await place.put(key, bytes, options);
  return { first, last: last.position, hash: manifest.hash, manifest: sha256(bytes), place: key };
}

/** Reads archived commits. They are not verified here: the reader verifies them like those of the log. */
export interface ArchiveReader {
  /**
   * Up to `limit` commits behind a position, no more than a page of a log has; `undefined` where the archive has none. Rejects
   * `CERTBUS_STORE_ARCHIVE_REFUSED` where what is there is damaged, and with what the place rejects.
   */
  read(after: number, limit: number, options?: PlaceOptions): Promise<readonly StoredCommit[] | undefined>;
}

function refuse(key: string, why: string, cause?: unknown): StoreError {
  const what = `The archive's ${key} is refused: ${why}.`;
  return new StoreError('CERTBUS_STORE_ARCHIVE_REFUSED', what, { cause });
}

function parseManifest(key: string, busId: string, bytes: Uint8Array): Manifest {
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(bytes).toString());
  } catch (cause) {
    throw refuse(key, 'it is not JSON', cause);
  }
  const parsed = v.safeParse(manifestSchema, json, { abortEarly: true });
  if (!parsed.success) throw refuse(key, `its ${v.getDotPath(parsed.issues[0]) ?? 'shape'} is wrong`);
  if (parsed.output.bus !== busId) throw refuse(key, 'it belongs to another bus');
  return parsed.output;
}

/** A reader that keeps the block it is in. */
export function createArchiveReader(place: ArchivePlace, busId: string): ArchiveReader {
  let manifest: Manifest | undefined;
  let block: readonly StoredCommit[] = [];

  async function openRange(wanted: number, options: PlaceOptions): Promise<Manifest | undefined> {
    const first = rangeStart(wanted);
    if (manifest?.first === first) return manifest;
    const key = manifestKey(busId, first);
    const bytes = await place.get(key, { ...options, maxBytes: MAX_MANIFEST_BYTES });
    manifest = bytes && parseManifest(key, busId, bytes);
    return manifest;
  }

  async function openBlock(wanted: number, { first, blocks }: Manifest, options: PlaceOptions) {
    const found = blocks.findLast((candidate) => candidate.first <= wanted);
    if (!found) throw refuse(manifestKey(busId, first), `it has no block with position ${wanted}`);
    const key = blockKey(busId, first, found.first);
    const bytes = await place.get(key, options);
    if (!bytes) throw refuse(key, 'it is missing');
    if (sha256(bytes) !== found.sha256) throw refuse(key, 'its bytes are not those of its manifest');
    block = await unpackCommits(bytes, found.first).catch((cause: unknown) => {
      throw refuse(key, 'it cannot be unpacked', cause);
    });
  }

  const from = (wanted: number): number => block.findIndex(({ position: at }) => at === wanted);
  return {
    async read(after, limit, options = {}) {
      const wanted = after + 1;
      if (from(wanted) < 0) {
        const range = await openRange(wanted, options);
        if (!range) return undefined;
        await openBlock(wanted, range, options);
      }
      const start = from(wanted);
      if (start < 0) throw refuse(manifestKey(busId, rangeStart(wanted)), `position ${wanted} is in no block of it`);
      return [...withinPage(block.slice(start, start + limit))];
    },
  };
}
