/** Breaks lines for people between their words, where a terminal would break them within one. */

/** A label and the gap behind it take no more than this of a line whose rest is put below itself. */
const LONGEST_LABEL = 24;
/** A fingerprint has no spaces, and is longer than a line. */
const FINGERPRINT = /^(?:[\dA-F]{2}:){31}[\dA-F]{2}$/;
/** A word of a command line; what is in quotes is one. */
const SHELL_WORDS = /(?:'[^']*'|\\.|[^\s'\\])+/g;
const COMMAND = /^ {2,}certbus /;
/** What a terminal needs no look at: each character is one column. */
const ASCII = /^[ -~]*$/;
/** Characters of two columns: those of East Asia, and emoji. */
const WIDE =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Emoji_Presentation}\u3000-\u303E\uFF01-\uFF60\uFFE0-\uFFE6]/u;
/** Characters that stand over the one before them, or are not seen. */
const WITHOUT_WIDTH = /[\p{Mn}\p{Me}\p{Cf}]/u;

/** How many columns of a terminal a text takes. A start of the command line has no time to load a table of all characters. */
export function columnsOf(text: string): number {
  if (ASCII.test(text)) return text.length;
  return Array.from(text).reduce((sum, each) => sum + (WITHOUT_WIDTH.test(each) ? 0 : WIDE.test(each) ? 2 : 1), 0);
}

/** Where a line goes on below: behind its label, or where it begins. */
function indentOf(line: string): number {
  const labels = [...line.matchAll(/ {2,}(?=\S)/g)].map(({ index, 0: gap }) => index + gap.length);
  return labels.findLast((end) => end <= LONGEST_LABEL) ?? 0;
}

const piecesOf = (word: string): string[] => (FINGERPRINT.test(word) ? [word.slice(0, 48), word.slice(48)] : [word]);

/** How a line is broken. */
interface Breaking {
  /** What a broken line ends with. */
  readonly end: string;
  readonly indent: number;
  readonly window: number;
}

function fill(begin: string, words: readonly string[], { end, indent, window }: Breaking): string {
  const lines: string[] = [];
  let line = begin;
  let isBegun = false;
  for (const word of words) {
    const longer = isBegun ? `${line} ${word}` : `${line}${word}`;
    if (isBegun && columnsOf(longer) + end.length > window) {
      lines.push(`${line}${end}`);
      line = `${' '.repeat(indent)}${word}`;
    } else line = longer;
    isBegun = true;
  }
  return [...lines, line].join('\n');
}

function breakOne(line: string, window: number, given: number | undefined): string {
  if (columnsOf(line) <= window) return line;
  const [begin = ''] = /^ */.exec(line) ?? [];
  if (COMMAND.test(line))
    return fill(begin, line.match(SHELL_WORDS) ?? [], { end: ' \\', indent: begin.length + 2, window });
  const indent = Math.min(given ?? indentOf(line), window / 2);
  const label = line.slice(0, indent);
  const words = line.slice(indent).split(' ').flatMap(piecesOf);
  return fill(label, words, { end: '', indent, window });
}

/**
 * Text whose lines fit a window of so many columns; without one, as it is. What does not fit is put below the text behind its label. A command
 * line stays one, with a backslash where it is broken.
 *
 * @param options.indent where broken lines go on. Default: behind the label, if the line begins with one.
 */
export function breakLines(
  text: string,
  { window, indent }: { readonly window: number | undefined; readonly indent?: number | undefined },
): string {
  // A serial console, or a terminal that a program made, does not say how wide it is.
  if (!window) return text;
  return text
    .split('\n')
    .map((line) => breakOne(line, window, indent))
    .join('\n');
}
