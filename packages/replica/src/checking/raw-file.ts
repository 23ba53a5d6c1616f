/** A replica's file and its write-ahead log as they are on the disk, read without SQLite: for when that cannot read them any more. */
import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

/** Every replica is made with pages of this size, so that it is known where the header of the file is damaged. */
export const PAGE_BYTES = 4_096;

// The write-ahead log: sqlite.org/fileformat2.html, section 4.
const LOG_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const FRAME_BYTES = FRAME_HEADER_BYTES + PAGE_BYTES;
const MAGIC = 0x377f0682;

type Checksum = readonly [number, number];

/** SQLite's checksum of a log; `isBigEndian` is how the words of the bytes are read. */
function checksum([first, second]: Checksum, bytes: Buffer, isBigEndian: boolean): Checksum {
  let [s0, s1] = [first, second];
  for (let at = 0; at < bytes.length; at += 8) {
    s0 = (s0 + (isBigEndian ? bytes.readUInt32BE(at) : bytes.readUInt32LE(at)) + s1) >>> 0;
    s1 = (s1 + (isBigEndian ? bytes.readUInt32BE(at + 4) : bytes.readUInt32LE(at + 4)) + s0) >>> 0;
  }
  return [s0, s1];
}

const same = (one: Checksum, other: Checksum): boolean => one[0] === other[0] && one[1] === other[1];
const pairAt = (bytes: Buffer, at: number): Checksum => [bytes.readUInt32BE(at), bytes.readUInt32BE(at + 4)];

function readInto(bytes: Buffer, file: number, position: number): boolean {
  for (let done = 0; done < bytes.length; ) {
    const got = readSync(file, bytes, done, bytes.length - done, position + done);
    if (got === 0) return false;
    done += got;
  }
  return true;
}

/** A frame of a log: a page as a transaction left it. */
interface Frame {
  readonly page: number;
  /** Whether a transaction ends with it. */
  readonly isEnd: boolean;
  readonly salts: Checksum;
  readonly sum: Checksum;
}

/** A log's header and the headers of its frames; the pages stay on the disk. */
interface Log {
  readonly file: number;
  readonly header: Buffer;
  readonly frames: readonly Frame[];
}

function readLog(file: number): Log | undefined {
  const header = Buffer.alloc(LOG_HEADER_BYTES);
  if (!readInto(header, file, 0)) return undefined;
  const count = Math.floor((fstatSync(file).size - LOG_HEADER_BYTES) / FRAME_BYTES);
  const bytes = Buffer.alloc(FRAME_HEADER_BYTES);
  const frames: Frame[] = [];
  for (let n = 0; n < count && readInto(bytes, file, LOG_HEADER_BYTES + n * FRAME_BYTES); n += 1) {
    const [page, isEnd] = [bytes.readUInt32BE(0), bytes.readUInt32BE(4) !== 0];
    frames.push({ page, isEnd, salts: pairAt(bytes, 8), sum: pairAt(bytes, 16) });
  }
  return { file, header, frames };
}

/**
 * The salts of the frames that count: what is behind them is of an earlier use of the log. One of header, first and second frame may be
 * damaged.
 */
function saltsOf({ header, frames }: Log): Checksum {
  const salts = [pairAt(header, 16), ...frames.slice(0, 2).map((frame) => frame.salts)];
  return salts.find((one, at) => salts.some((other, n) => n !== at && same(one, other))) ?? salts.at(-1) ?? [0, 0];
}

/** The frames that count, up to the end of the last transaction, with their places in the log. */
function committed(log: Log): readonly (Frame & { readonly at: number })[] {
  const salts = saltsOf(log);
  const ofNow = log.frames.flatMap((frame, at) => (same(frame.salts, salts) ? [{ ...frame, at }] : []));
  return ofNow.slice(0, ofNow.findLastIndex(({ isEnd }) => isEnd) + 1);
}

function isWhole(log: Log): boolean {
  const { file, header, frames } = log;
  if (frames.length === 0) return true;
  const magic = header.readUInt32BE(0);
  const isBigEndian = magic === MAGIC + 1;
  let sum = checksum([0, 0], header.subarray(0, 24), isBigEndian);
  if ((magic !== MAGIC && !isBigEndian) || !same(sum, pairAt(header, 24))) return false;
  const salts = pairAt(header, 16);
  const bytes = Buffer.alloc(FRAME_BYTES);
  for (const [at, frame] of frames.entries()) {
    // What comes behind is of an earlier use, unless a frame in between is damaged.
    if (!same(frame.salts, salts)) return !frames.slice(at).some((later) => same(later.salts, salts));
    readInto(bytes, file, LOG_HEADER_BYTES + at * FRAME_BYTES);
    sum = checksum(checksum(sum, bytes.subarray(0, 8), isBigEndian), bytes.subarray(FRAME_HEADER_BYTES), isBigEndian);
    if (!same(sum, frame.sum)) return false;
  }
  return true;
}

/**
 * Whether SQLite would read a log as it was written. It takes a damaged frame for the end of the log, and so drops what was written
 * after it without an error: the file would be as it was some time ago.
 */
export function isLogWhole(path: string): boolean {
  if (!existsSync(`${path}-wal`)) return true;
  const file = openSync(`${path}-wal`, 'r');
  try {
    const log = readLog(file);
    return !log || isWhole(log);
  } finally {
    closeSync(file);
  }
}

/** The pages of a replica, each as often as there are versions of it. */
export interface RawFile extends Disposable {
  /** All versions of all pages. The memory of one is used again for the next. */
  pages(): Iterable<Buffer>;
  /** The newest version of a page, by its number; `undefined` where there is none. */
  page(number: number): Buffer | undefined;
}

/** Opens a replica's file and its log. */
export function openRaw(path: string): RawFile {
  const file = openSync(path, 'r');
  const logFile = existsSync(`${path}-wal`) ? openSync(`${path}-wal`, 'r') : undefined;
  const log = logFile === undefined ? undefined : readLog(logFile);
  const frames = log ? committed(log) : [];
  const newest = new Map(frames.map(({ page, at }) => [page, at]));
  const placeOf = (at: number): number => LOG_HEADER_BYTES + at * FRAME_BYTES + FRAME_HEADER_BYTES;
  return {
    *pages() {
      const bytes = Buffer.alloc(PAGE_BYTES);
      for (let at = 0; readInto(bytes, file, at); at += PAGE_BYTES) yield bytes;
      for (const { at } of frames) if (log && readInto(bytes, log.file, placeOf(at))) yield bytes;
    },
    page(number) {
      const bytes = Buffer.alloc(PAGE_BYTES);
      const at = newest.get(number);
      const isRead = log && at !== undefined ? readInto(bytes, log.file, placeOf(at)) : false;
      return isRead || (number > 0 && readInto(bytes, file, (number - 1) * PAGE_BYTES)) ? bytes : undefined;
    },
    [Symbol.dispose]() {
      closeSync(file);
      if (logFile !== undefined) closeSync(logFile);
    },
  };
}
