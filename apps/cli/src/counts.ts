/** Puts counts into words. */

/** A count with its noun. */
export const many = (count: number, what: string): string =>
  `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`;

/** Every one of something, as the subject of a sentence: `all 3 commits are`, `the only commit is`. */
export const allAre = (count: number, what: string): string =>
  count === 1 ? `the only ${what} is` : `${allOf(count, what)} are`;

/** Every one of something: `all 3 commits`, `the only commit`. */
export const allOf = (count: number, what: string): string =>
  count === 1 ? `the only ${what}` : `all ${many(count, what)}`;
