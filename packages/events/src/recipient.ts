/** age's X25519 recipients (age-encryption.org/v1), by Node's own cryptography. */
import { createCipheriv, createPublicKey, diffieHellman, generateKeyPairSync } from 'node:crypto';
import { bech32 } from '@scure/base';
import { KEY_BYTES, NONCE, SPKI_X25519, TAG_BYTES, wrappingKeyOf } from './x25519.ts';

/** A file key as one recipient can unwrap it. */
export interface WrappedFileKey {
  /** The public half of a key that was made for this alone. */
  readonly share: Buffer;
  readonly body: Buffer;
}

/** An X25519 recipient that is ready to have file keys wrapped for it. */
export interface X25519Recipient {
  /** Throws for a recipient of low order. */
  wrap(fileKey: Uint8Array): WrappedFileKey;
}

/** The 32 bytes of an X25519 recipient; `undefined` for any other text. */
function x25519BytesOf(text: string): Uint8Array | undefined {
  const decoded = bech32.decodeUnsafe(text);
  if (decoded?.prefix !== 'age') return undefined;
  const bytes = bech32.fromWordsUnsafe(decoded.words);
  return bytes?.length === KEY_BYTES ? bytes : undefined;
}

/** The recipient of a text `age1…`; `undefined` for any other text, which the library reads or refuses. */
export function parseX25519Recipient(text: string): X25519Recipient | undefined {
  const own = x25519BytesOf(text);
  if (!own) return undefined;
  const publicKey = createPublicKey({ key: Buffer.concat([SPKI_X25519, own]), format: 'der', type: 'spki' });
  return {
    wrap(fileKey) {
      const ephemeral = generateKeyPairSync('x25519');
      // As SPKI it would take twenty times as long.
      const { x = '' } = ephemeral.publicKey.export({ format: 'jwk' });
      const share = Buffer.from(x, 'base64url');
      // Throws for a recipient of low order, whose secret is all zeros.
      const secret = diffieHellman({ privateKey: ephemeral.privateKey, publicKey });
      const key = wrappingKeyOf(secret, { share, recipient: own });
      const cipher = createCipheriv('chacha20-poly1305', key, NONCE, { authTagLength: TAG_BYTES });
      return { share, body: Buffer.concat([cipher.update(fileKey), cipher.final(), cipher.getAuthTag()]) };
    },
  };
}
