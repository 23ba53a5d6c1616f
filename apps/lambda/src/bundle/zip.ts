/** Writes ZIP archives (PKWARE APPNOTE 6.3.10): the same files give the same bytes. */
import { crc32, deflateRawSync } from 'node:zlib';

/** A file of an archive. */
export interface ZipFile {
  /** Path in the archive, with slashes. */
  readonly name: string;
  readonly bytes: Uint8Array;
}

const [LOCAL, CENTRAL, END] = [0x04_03_4b_50, 0x02_01_4b_50, 0x06_05_4b_50];
const VERSION = 20;
const UTF8 = 0x08_00;
const DEFLATE = 8;
/** 1980-01-01, the first day that there is. */
const DATE = 0x21;
/** By Unix: a regular file that everyone can read, as Lambda needs it. */
const MADE_BY = (3 << 8) | VERSION;
const MODE = 0o100_644 * 0x1_00_00;

interface Packed extends ZipFile {
  readonly packed: Buffer;
  readonly offset: number;
}

/** The fields that both headers of a file have. */
function common({ name, bytes, packed }: Omit<Packed, 'offset'>): Buffer {
  const header = Buffer.alloc(26);
  header.writeUInt16LE(VERSION, 0);
  header.writeUInt16LE(UTF8, 2);
  header.writeUInt16LE(DEFLATE, 4);
  header.writeUInt16LE(0, 6);
  header.writeUInt16LE(DATE, 8);
  header.writeUInt32LE(crc32(bytes), 10);
  header.writeUInt32LE(packed.length, 14);
  header.writeUInt32LE(bytes.length, 18);
  header.writeUInt16LE(Buffer.byteLength(name), 22);
  return header;
}

function signature(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function centralHeader(file: Packed): Buffer {
  const before = Buffer.alloc(2);
  before.writeUInt16LE(MADE_BY);
  const after = Buffer.alloc(14);
  after.writeUInt32LE(MODE, 6);
  after.writeUInt32LE(file.offset, 10);
  return Buffer.concat([signature(CENTRAL), before, common(file), after, Buffer.from(file.name)]);
}

function endOf(count: number, size: number, offset: number): Buffer {
  const end = Buffer.alloc(18);
  end.writeUInt16LE(count, 4);
  end.writeUInt16LE(count, 6);
  end.writeUInt32LE(size, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([signature(END), end]);
}

/** Packs files, in the order of their names. */
export function createZip(files: readonly ZipFile[]): Uint8Array {
  const parts: Buffer[] = [];
  const packed: Packed[] = [];
  let offset = 0;
  for (const file of files.toSorted((one, other) => (one.name < other.name ? -1 : 1))) {
    const entry = { ...file, packed: deflateRawSync(file.bytes, { level: 9 }), offset };
    const local = Buffer.concat([signature(LOCAL), common(entry), Buffer.from(file.name), entry.packed]);
    packed.push(entry);
    parts.push(local);
    offset += local.length;
  }
  const central = Buffer.concat(packed.map(centralHeader));
  return Buffer.concat([...parts, central, endOf(packed.length, central.length, offset)]);
}
