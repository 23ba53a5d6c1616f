/** The rows in a page of SQLite's file format (sqlite.org/fileformat2.html, sections 1.6 and 2), whatever table it is of. */
import { PAGE_BYTES, type RawFile } from './raw-file.ts';

/** What a column holds. An integer key is `null` in its row, and is not needed here. */
export type Value = null | number | string | Buffer;

const TABLE_LEAF = 0x0d;
const LEAF_HEADER_BYTES = 8;
/** What a cell holds at most without pages of its own, and what it holds at least then. */
const MOST_INSIDE = PAGE_BYTES - 35;
const LEAST_INSIDE = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
/** What no row comes near to: a bus's own state has some hundred kilobytes. */
const MAX_ROW_BYTES = 64 * 2 ** 20;

interface Read {
  readonly value: number;
  /** Where the next thing begins. */
  readonly next: number;
}

function varint(bytes: Buffer, at: number): Read {
  let value = 0;
  for (let n = 0; n < 8; n += 1) {
    const byte = bytes.readUInt8(at + n);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, next: at + n + 1 };
  }
  return { value: value * 256 + bytes.readUInt8(at + 8), next: at + 9 };
}

const INTEGER_BYTES: Readonly<Record<number, number>> = { 1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8 };

function valueAt(bytes: Buffer, at: number, type: number): { readonly value: Value; readonly next: number } {
  const size = INTEGER_BYTES[type];
  if (type === 0) return { value: null, next: at };
  if (size === 8) return { value: Number(bytes.readBigInt64BE(at)), next: at + size };
  if (size !== undefined) return { value: bytes.readIntBE(at, size), next: at + size };
  if (type === 8 || type === 9) return { value: type - 8, next: at };
  const [isText, length] = [type % 2 === 1, Math.floor((type - 12) / 2)];
  if (type < 12 || at + length > bytes.length) throw new RangeError('a value ends after its row');
  const content = bytes.subarray(at, at + length);
  return { value: isText ? content.toString('utf8') : Buffer.from(content), next: at + length };
}

function valuesOf(row: Buffer): Value[] {
  const header = varint(row, 0);
  const values: Value[] = [];
  for (let type = header.next, at = header.value; type < header.value; ) {
    const read = varint(row, type);
    const { value, next } = valueAt(row, at, read.value);
    values.push(value);
    [type, at] = [read.next, next];
  }
  return values;
}

/** The bytes of a row that begin in a cell, with those in the pages that the cell leads to. */
function rowAt(page: Buffer, cell: number, file: RawFile): Buffer {
  const { value: size, next } = varint(page, cell);
  const begin = varint(page, next).next;
  if (size > MAX_ROW_BYTES) throw new RangeError('a row is longer than any');
  if (size <= MOST_INSIDE) return page.subarray(begin, begin + size);
  const rest = LEAST_INSIDE + ((size - LEAST_INSIDE) % (PAGE_BYTES - 4));
  const inside = rest <= MOST_INSIDE ? rest : LEAST_INSIDE;
  const parts = [page.subarray(begin, begin + inside)];
  let number = page.readUInt32BE(begin + inside);
  for (let left = size - inside; left > 0; left -= PAGE_BYTES - 4) {
    const more = file.page(number);
    if (!more) throw new RangeError('a row goes on in a page that is not there');
    parts.push(more.subarray(4, 4 + Math.min(left, PAGE_BYTES - 4)));
    number = more.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

/** All rows of all tables that can be made out, in no order, each in as many versions as there are. Whether they are right is not known. */
export function* rawRows(file: RawFile): Iterable<readonly Value[]> {
  for (const page of file.pages()) {
    if (page[0] !== TABLE_LEAF) continue;
    const cells = Math.min(page.readUInt16BE(3), Math.floor((PAGE_BYTES - LEAF_HEADER_BYTES) / 2));
    for (let n = 0; n < cells; n += 1) {
      try {
        yield valuesOf(rowAt(page, page.readUInt16BE(LEAF_HEADER_BYTES + 2 * n), file));
      } catch (error) {
        // A damaged cell leads out of its page; the others have nothing to do with it.
        if (!(error instanceof RangeError)) throw error;
      }
    }
  }
}
