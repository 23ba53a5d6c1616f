/** What a mutant is: one wrong change to the sources, and the tests that must fail for it. */

/** Tests of one file. */
export interface NamedTests {
  readonly file: string;
  /** Only those whose name has this in it, where the others take long. Default all. */
  readonly only?: string;
}

/** A change that makes the code wrong in one way. */
export interface Mutant {
  /** What is wrong with it, as the fault would be reported. */
  readonly fault: string;
  /** The file that it changes. */
  readonly file: string;
  /** A text that is in that file exactly once. Short, so that it outlives other edits. */
  readonly find: string;
  readonly replace: string;
  /** In each of these at least one test MUST fail. */
  readonly noticedBy: readonly NamedTests[];
  /** How often its tests are tried, where they notice it in one order of events only, which a busy machine does not always bring. Default 1. */
  readonly tries?: number;
}

/** A mutant whose place is not in the sources any more, or is there more than once. */
class MovedPlaceError extends Error {
  override readonly name = 'MovedPlaceError';
}

/** The text of a mutant's file with its change. Throws a {@link MovedPlaceError}. */
export function mutate(text: string, { fault, file, find, replace }: Mutant): string {
  const [before, after, ...more] = text.split(find);
  if (before !== undefined && after !== undefined && more.length === 0) return before + replace + after;
  const found = after === undefined ? 'is not there' : `is there ${more.length + 1} times`;
  throw new MovedPlaceError(
    `${file}: ${JSON.stringify(find)} ${found}. The guarded place moved: bring its mutant "${fault}" along, in mutants/list.`,
  );
}
