/** Makes text from elsewhere safe to print on a terminal, and to put into a log. */

/**
 * What moves a cursor, ends a line or turns text round: control characters, line and paragraph separators, Unicode's bidirectional controls,
 * and halves of surrogate pairs, which no encoding can write. By property, so that none is forgotten.
 */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Cs}\p{Bidi_Control}]/gu;

const REPLACEMENT = '\ufffd';

/** Text in one line: every character that could steer a terminal or end the line is replaced by U+FFFD. */
export const cleanLine = (text: string): string => text.replaceAll(UNSAFE, REPLACEMENT);

/** JSON of a value whose texts can steer no terminal: such a character is written as its escape, so that a parser reads the same value. */
export function printableJson(value: unknown, indent?: number): string {
  const escaped = (character: string) =>
    // A line feed is only ever the indentation's: JSON has those of texts as escapes.
    character === '\n' ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  return JSON.stringify(value, undefined, indent).replaceAll(UNSAFE, escaped);
}

/** Text that came from a CA, a DNS server or the bus, safe to print; its line breaks (LF) and tabs stay. */
export function clean(text: string): string {
  return text.replaceAll(UNSAFE, (character) => (character === '\n' || character === '\t' ? character : REPLACEMENT));
}
