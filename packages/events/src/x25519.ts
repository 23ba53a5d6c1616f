/** What age's X25519 stanzas are made of (age-encryption.org/v1), for those who wrap and unwrap file keys. */

/** An X25519 public key in DER is this and its 32 bytes. */
export const SPKI_X25519: Buffer = Buffer.from('302a300506032b656e032100', 'hex');
export const KEY_BYTES = 32;
export const TAG_BYTES = 16;
/** Each wrapping key is used once. */
export const NONCE: Buffer = Buffer.alloc(12);
export const LABEL = 'age-encryption.org/v1/X25519';
