/** Finds ids that two commits have, among millions. */

/** 128 bits of an id and a position: five numbers of 32 bits each. */
const WORDS = 5;
const FIRST_SLOTS = 1_024;

/** The ids of commits, with the first position of each. */
export interface CommitIds {
  /** Notes an id, 128 bits in base64url; returns the position that has it already, if one does. */
  add(id: string, position: number): number | undefined;
}

/**
 * Remembers ids whole, in one typed array with open addressing: 20 bytes a slot and two to four slots an id, so 42 MB for a
 * million. It never reports a repetition that is not one.
 */
export function createCommitIds(): CommitIds {
  // An attacker who chooses ids must not be able to put them all into one slot.
  const [seed = 1, factor = 1] = crypto.getRandomValues(new Uint32Array(2));
  let slots = FIRST_SLOTS;
  let table = new Uint32Array(slots * WORDS);
  let count = 0;

  /** Where an id is, or the empty slot where it would be. Positions begin with 1: 0 is an empty slot. */
  function find(id: Uint32Array): number {
    let mixed = seed;
    for (const word of id) mixed = Math.imul(mixed ^ word ^ (mixed >>> 15), factor | 1);
    let slot = (mixed ^ (mixed >>> 16)) & (slots - 1);
    while (table[slot * WORDS + 4] !== 0 && !id.every((word, n) => table[slot * WORDS + n] === word))
      slot = (slot + 1) & (slots - 1);
    return slot * WORDS;
  }

  function grow(): void {
    const old = table;
    slots *= 2;
    table = new Uint32Array(slots * WORDS);
    for (let at = 0; at < old.length; at += WORDS) {
      if (old[at + 4] === 0) continue;
      table.set(old.subarray(at, at + WORDS), find(old.subarray(at, at + 4)));
    }
  }

  return {
    add(id, position) {
      const bytes = Uint8Array.from(Buffer.from(id, 'base64url'));
      const words = new Uint32Array(bytes.buffer, 0, 4);
      const at = find(words);
      if (table[at + 4] !== 0) return table[at + 4];
      table.set(words, at);
      table[at + 4] = position;
      count += 1;
      if (count * 2 > slots) grow();
      return undefined;
    },
  };
}
