/** The hash that names commits, leaves and issuers. */
import { createHash } from 'node:crypto';
import { isBase64url } from './canonical.ts';

/** SHA-256 in base64url, as hashes of commits, leaves and issuers are written. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}

/** Whether a text is a hash as {@link sha256} writes it, in the one form that stands for its bytes. */
export function isHash(text: string): boolean {
  return isBase64url(text, 32);
}
