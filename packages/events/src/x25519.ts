/** What age's X25519 stanzas are made of (age-encryption.org/v1), for those who wrap and unwrap file keys. */
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';

/** An X25519 public key in DER is this and its 32 bytes. */
export const SPKI_X25519: Buffer = Buffer.from('302a300506032b656e032100', 'hex');
export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
/** Each wrapping key is used once. */
export const NONCE: Buffer = Buffer.alloc(12);
const LABEL = 'age-encryption.org/v1/X25519';

/** The key that a file key is wrapped with: of the secret that the two of them share, and of what each of them is known by. */
export function wrappingKeyOf(
  secret: Buffer,
  { share, recipient }: { readonly share: Uint8Array; readonly recipient: Uint8Array },
): KeyObject {
  // As key objects: Node 24 asks bytes whether they are one by an error that it throws and catches, which takes longer than the cryptography.
  const key = hkdfSync('sha256', createSecretKey(secret), Buffer.concat([share, recipient]), LABEL, KEY_BYTES);
  return createSecretKey(new Uint8Array(key));
}
