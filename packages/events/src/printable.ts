/** Makes text from elsewhere safe to print on a terminal, and to put into a log. */

/**
 * What moves a cursor, ends a line or turns text round: control characters, line and paragraph separators, Unicode's bidirectional controls,
 * and halves of surrogate pairs, which no encoding can write. By property, so that no list of ours is incomplete.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu;

const REPLACEMENT = '\ufffd';

/** Text in one line: every character that could steer a terminal or end the line is replaced by U+FFFD. */
export const cleanLine = (text: string): string => text.replaceAll(UNSAFE, REPLACEMENT);

/** Text that came from a CA, a DNS server or the bus, safe to print; its line breaks (LF) and tabs stay. */
export function clean(text: string): string {
  return text.replaceAll(UNSAFE, (character) => (character === '\n' || character === '\t' ? character : REPLACEMENT));
}
