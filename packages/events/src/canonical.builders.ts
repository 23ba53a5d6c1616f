/** Other texts for the same bytes, which no reader may accept. */

/** Every character that a decoder of base64 or base64url takes, or skips. */
const CHARACTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_= \n.'];

/** Every text that decodes to the same bytes as `text` and differs from it in one character. */
export function sameBytes(text: string, encoding: 'base64' | 'base64url'): string[] {
  const bytes = Buffer.from(text, encoding);
  const changed = [...text].flatMap((_, at) =>
    CHARACTERS.map((character) => text.slice(0, at) + character + text.slice(at + 1)),
  );
  return changed.filter((other) => other !== text && bytes.equals(Buffer.from(other, encoding)));
}
