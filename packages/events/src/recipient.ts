/** age recipients (age-encryption.org/v1): X25519 by Node's own cryptography, the others by the library. */
import { createCipheriv, createPublicKey, diffieHellman, generateKeyPairSync, hkdfSync } from 'node:crypto';
import { bech32 } from '@scure/base';
import type { Recipient as AgeRecipient, Stanza } from 'age-encryption';
import { KEY_BYTES, LABEL, NONCE, SPKI_X25519, TAG_BYTES } from './x25519.ts';

/** The 32 bytes of an X25519 recipient; `undefined` for any other text. */
function x25519BytesOf(text: string): Uint8Array | undefined {
  const decoded = bech32.decodeUnsafe(text);
  if (decoded?.prefix !== 'age') return undefined;
  const bytes = bech32.fromWordsUnsafe(decoded.words);
  return bytes?.length === KEY_BYTES ? bytes : undefined;
}

function wrap(fileKey: Uint8Array, key: Uint8Array): Uint8Array {
  const cipher = createCipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
  return Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]);
}

/**
 * A recipient as the library takes it: our X25519 for `age1…`, the text unchanged for any other, which the library reads or refuses.
 *
 * @param stanza the library's class.
 */
export function parseAgeRecipient(text: string, stanza: typeof Stanza): AgeRecipient | string {
  const own = x25519BytesOf(text);
  if (!own) return text;
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_X25519, own]), format: 'der', type: 'spki' });
  return {
    wrapFileKey(fileKey) {
      const ephemeral = generateKeyPairSync('x25519');
      // As SPKI it would take twenty times as long.
      const { x = '' } = ephemeral.publicKey.export({ format: 'jwk' });
      const share = Buffer.from(x, 'base64url');
      // Throws for a recipient of low order, whose secret is all zeros.
      const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
      const key = hkdfSync('sha256', secret, Buffer.concat([share, own]), LABEL, KEY_BYTES);
      const args = ['X25519', share.toString('base64').replace(/=+$/, '')];
      return [new stanza(args, wrap(fileKey, new Uint8Array(key)))];
    },
  };
}
