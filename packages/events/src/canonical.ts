/**
 * Encodings of bytes as text, each accepted in its one canonical form (RFC 4648 section 3.5).
 *
 * The last character of base64 can carry bits that a decoder drops. Text that decodes to the same bytes would still change the hash
 * of what it is written in: anyone who can write to a store could then fork a history that is signed.
 */
import * as v from 'valibot';

const BASE64URL = /^[\w-]*$/;
/** Characters whose last four, or two, bits are zero: what can be last where that many bits stand for nothing. */
const LAST = { 4: 'AQgw', 2: 'AEIMQUYcgkosw048' } as const;

/** Whether a text is the base64url, without padding, of this many bytes: of a hash or an Ed25519 key 32, of a signature 64. */
export function isBase64url(text: string, byteLength: number): boolean {
  const length = Math.ceil((byteLength * 4) / 3);
  if (text.length !== length || !BASE64URL.test(text)) return false;
  const unused = length * 6 - byteLength * 8;
  return unused !== 4 && unused !== 2 ? true : LAST[unused].includes(text.slice(-1));
}

/** Whether a text is the base64, with padding, of any bytes. */
export function isBase64(text: string): boolean {
  // The decoder takes base64url as well.
  if (text.length % 4 !== 0 || text.includes('-') || text.includes('_')) return false;
  const padding = text.endsWith('==') ? 2 : Number(text.endsWith('='));
  // It skips what is not base64 and ends at the first padding: then the bytes are too few.
  if (Buffer.from(text, 'base64').length !== (text.length / 4) * 3 - padding) return false;
  // Only the last four characters can hold bits that are dropped; encoding the whole again would take twice as long.
  const last = text.slice(-4);
  return Buffer.from(last, 'base64').toString('base64') === last;
}

/** Schema of this many bytes in base64url, without padding. */
export function base64url(byteLength: number): v.GenericSchema<unknown, string> {
  return v.pipe(
    v.string(),
    v.check((text) => isBase64url(text, byteLength), `is not ${byteLength} bytes in base64url`),
  );
}

/** Schema of a SHA-256 hash; a bus's id and an Ed25519 public key are written alike. */
export const hash: v.GenericSchema<unknown, string> = base64url(32);

/** Schema of bytes in base64: DER, an age file. */
export const base64: v.GenericSchema<unknown, string> = v.pipe(v.string(), v.check(isBase64, 'is not base64'));
