/** Finds what a user probably meant by a word that fits nothing. */
import { distance } from 'fastest-levenshtein';
import { CliError } from './errors.ts';

/** Letters that can differ: more, and a suggestion is a guess. */
const LIKE = 3;
/** Letters that are enough to look for what begins with them. */
const CUT_SHORT = 3;
/** How many are suggested at most. */
const SUGGESTED = 3;

/** What looks like a word, the most similar first: at most three. */
export function similarTo(typed: string, known: Iterable<string>): string[] {
  const word = typed.toLowerCase();
  const farness = (each: string) => distance(word, each.toLowerCase());
  return [...new Set(known)]
    .map((each) => ({ each, far: farness(each) }))
    .filter(({ each, far }) => far <= Math.min(LIKE, each.length / 2))
    .sort((a, b) => a.far - b.far)
    .slice(0, SUGGESTED)
    .map(({ each }) => each);
}

/** What a word is the beginning of, as an id that was cut short is, and then what looks like it: at most three. */
export function begunBy(typed: string, known: Iterable<string>): string[] {
  const all = [...known];
  const begun = typed.length < CUT_SHORT ? [] : all.filter((each) => each.startsWith(typed));
  return [...new Set([...begun, ...similarTo(typed, all)])].slice(0, SUGGESTED);
}

/** The sentence that asks for one of these, with a space before it; empty where there are none. */
export function didYouMean(found: readonly string[]): string {
  return found.length === 0 ? '' : ` Did you mean ${found.map((each) => `"${each}"`).join(' or ')}?`;
}

/** A value of a flag that fits nothing there is. */
export interface Unmatched {
  /** With its dashes. */
  readonly flag: string;
  readonly value: string;
  /** What was looked at, such as `certificate on this bus`. */
  readonly among: string;
  /** What would have fitted. */
  readonly known: Iterable<string>;
  /** Whether all that would have fitted is named where nothing looks like the value. Default false. */
  readonly areFew?: boolean;
}

/** `CERTBUS_CLI_NO_MATCH`: nothing fits the value of a flag, which is probably mistyped. */
export function nothingFits({ flag, value, among, known, areFew = false }: Unmatched): CliError {
  const similar = similarTo(value, known);
  const all = areFew && similar.length === 0 ? ` There are: ${[...known].join(', ')}.` : '';
  const message = `No ${among} fits ${flag} "${value}".${didYouMean(similar)}${all}`;
  return new CliError('CERTBUS_CLI_NO_MATCH', message);
}
