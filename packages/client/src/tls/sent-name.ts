/** Server names as TLS brings them. */

const BYTES_BEHIND_ASCII = /[\u0080-\u00ff]/;
const decoder = new TextDecoder('utf-8', { fatal: true });

/**
 * The text of a server name of which each character is a byte, as Node reads it from a ClientHello. Only A-labels are allowed there (RFC 6066 section 3),
 * and some clients send U-labels all the same, in UTF-8; Node's own does.
 */
export function textOfSentName(bytes: string): string {
  if (!BYTES_BEHIND_ASCII.test(bytes)) return bytes;
  try {
    return decoder.decode(Buffer.from(bytes, 'latin1'));
  } catch {
    return bytes;
  }
}
