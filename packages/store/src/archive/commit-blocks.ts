/** Blocks of commits: gathers, compresses and unpacks them. */
import { promisify } from 'node:util';
import { MAX_COMMIT_BYTES, type StoredCommit } from '../log.ts';
import { zstd } from '../node-modules.ts';

/** A block is closed when it has this many bytes of commits, before compression. */
const BLOCK_BYTES = 8_000_000;
/** What a block may at most become when it is opened: one commit more than it was closed at. */
const MAX_BLOCK_BYTES = BLOCK_BYTES + 1_000_000;
/** No commit is shorter: its second line, the key id and the signature, is that long. */
const MIN_COMMIT_BYTES = 104;
const NEWLINE = 0x0a;
const LEVEL = { params: { [zstd.constants.ZSTD_c_compressionLevel]: 3, [zstd.constants.ZSTD_c_checksumFlag]: 1 } };

const compress = promisify(zstd.zstdCompress);
const decompress = promisify(zstd.zstdDecompress);

/** Commits that are gathered for a block. */
export interface BlockInProgress {
  /** Takes a commit; true when the block is full with it and MUST be taken. */
  add(commit: StoredCommit): boolean;
  /** What was gathered; the next block begins. */
  take(): readonly StoredCommit[];
}

/** Begins to gather. */
export function beginBlock(): BlockInProgress {
  let commits: StoredCommit[] = [];
  let size = 0;
  return {
    add(commit) {
      commits.push(commit);
      size += commit.bytes.length;
      return size >= BLOCK_BYTES;
    },
    take() {
      const taken = commits;
      commits = [];
      size = 0;
      return taken;
    },
  };
}

/** Commits one after the other, compressed with zstd: `zstd -d` shows the log's text. */
export async function packCommits(commits: readonly StoredCommit[]): Promise<Uint8Array> {
  return compress(Buffer.concat(commits.map(({ bytes }) => bytes)), LEVEL);
}

/**
 * The commits of a block, the first of which has position `first`. Throws where the block is damaged; the commits themselves are not
 * verified.
 */
export async function unpackCommits(block: Uint8Array, first: number): Promise<StoredCommit[]> {
  const text = await decompress(block, { maxOutputLength: MAX_BLOCK_BYTES });
  const commits: StoredCommit[] = [];
  for (let start = 0; start < text.length; ) {
    const payload = text.indexOf(NEWLINE, start);
    const end = payload < 0 ? -1 : text.indexOf(NEWLINE, payload + 1);
    if (end < 0) throw new RangeError('a block ends in the middle of a commit');
    // Each costs a few hundred bytes of memory, even an empty one; and no log takes a larger one.
    if (end - start < MIN_COMMIT_BYTES || end + 1 - start > MAX_COMMIT_BYTES)
      throw new RangeError('a block holds what is not a commit');
    commits.push({ position: first + commits.length, bytes: text.subarray(start, end + 1) });
    start = end + 1;
  }
  return commits;
}
