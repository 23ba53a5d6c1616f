/** Bytes of which some stretches are random in every copy, and one is a number in decimal digits. */
export interface Template {
  readonly bytes: Uint8Array;
  /** Offset and length of each random stretch. */
  readonly random: readonly (readonly [number, number])[];
  /** Offset and length of each stretch of digits. */
  readonly digits: readonly (readonly [number, number])[];
}

const POOL = 1 << 20;
let pool: Buffer = Buffer.alloc(POOL);
let used = POOL;

/** Random bytes from a pool, since asking the system for a few at a time takes longer than everything else. */
export function randomBytes(length: number): Buffer {
  if (used + length > POOL) {
    pool = Buffer.alloc(POOL);
    for (let offset = 0; offset < POOL; offset += 65_536)
      crypto.getRandomValues(pool.subarray(offset, offset + 65_536));
    used = 0;
  }
  used += length;
  return pool.subarray(used - length, used);
}

/** Where a needle lies in a template. */
export function stretch(bytes: Uint8Array, needle: Uint8Array | string): readonly [number, number] {
  const offset = Buffer.from(bytes).indexOf(needle);
  if (offset < 0) throw new TypeError('the template does not hold that');
  return [offset, needle.length];
}

/** Every place where a needle lies in a template. */
export function stretches(bytes: Uint8Array, needle: string): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = [];
  const haystack = Buffer.from(bytes);
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1))
    found.push([at, needle.length]);
  return found;
}

/** How many random bytes a copy holds. */
export const randomLength = ({ random }: Template): number => random.reduce((sum, [, length]) => sum + length, 0);

/** A copy with a number of its own. */
export function copy({ bytes, random, digits }: Template, number: number): Buffer {
  const made = Buffer.from(bytes);
  for (const [offset, length] of random) randomBytes(length).copy(made, offset);
  for (const [offset, length] of digits) made.write(String(number).padStart(length, '0'), offset, 'latin1');
  return made;
}
