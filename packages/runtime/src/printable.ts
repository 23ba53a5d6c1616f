/** Makes text from elsewhere safe to print on a terminal. */
const UNSAFE = /[\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text that came from a CA, a DNS server or the bus, without what could move a terminal's cursor or turn its text round. */
export function clean(text: string): string {
  return text.replaceAll(UNSAFE, (character) => (character === '\n' || character === '\t' ? character : '\ufffd'));
}
