/** Reads and writes DER (X.690). */

/** One value of DER (X.690): its tag, the bytes inside, and the bytes with tag and length. */
export interface DerValue {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly whole: Uint8Array;
}

const truncated = () => new RangeError('DER is truncated or uses a form that DER forbids');

function readLength(bytes: Uint8Array, at: number): { length: number; size: number } {
  const first = bytes[at];
  if (first === undefined) throw truncated();
  if (first < 0x80) return { length: first, size: 1 };
  const size = first & 0x7f;
  if (size === 0 || size > 4) throw truncated();
  let length = 0;
  for (let i = 1; i <= size; i += 1) length = length * 256 + (bytes[at + i] ?? 0);
  return { length, size: 1 + size };
}

/** Reads the values that stand one after another. Throws `RangeError` for anything that is not DER with one-byte tags. */
export function readDer(bytes: Uint8Array): DerValue[] {
  const values: DerValue[] = [];
  for (let at = 0; at < bytes.length; ) {
    const tag = bytes[at] as number;
    const { length, size } = readLength(bytes, at + 1);
    const start = at + 1 + size;
    const end = start + length;
    if (end > bytes.length) throw truncated();
    values.push({ tag, content: bytes.subarray(start, end), whole: bytes.subarray(at, end) });
    at = end;
  }
  return values;
}

/** Goes down by child numbers from the outermost value. Throws `RangeError` where there is no such child. */
export function childOf(bytes: Uint8Array, ...path: readonly number[]): DerValue {
  let [value] = readDer(bytes);
  for (const index of path) value = value && readDer(value.content)[index];
  if (!value) throw truncated();
  return value;
}

/** Writes one value: its tag, its length, and what is inside, one after another. */
export function writeDer(tag: number, ...contents: readonly Uint8Array[]): Buffer {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  if (length < 0x80) return Buffer.concat([Buffer.of(tag, length), ...contents]);
  const digits = Buffer.from(
    length
      .toString(16)
      .padStart(8, '0')
      .replace(/^(00)+/, ''),
    'hex',
  );
  return Buffer.concat([Buffer.of(tag, 0x80 | digits.length), digits, ...contents]);
}
