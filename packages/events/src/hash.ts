/** The hash that names commits, leaves and issuers. */
import { createHash } from 'node:crypto';

/** SHA-256 in base64url, as hashes of commits, leaves and issuers are written. */
export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('base64url');
}
