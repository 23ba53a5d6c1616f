/** Sealing of a private key under a vault's own key. */
import { createCipheriv, createDecipheriv, type KeyObject } from 'node:crypto';

const CIPHER = 'aes-256-gcm';
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const PURPOSE = 'certbus/replica/v1';

/** What a sealed key is bound to. */
export interface SealedFor {
  readonly busId: string;
  readonly certificateId: string;
  readonly leafHash: string;
}

/** Each part with its length before it, so that no two lists of parts give the same bytes. */
function associatedData({ busId, certificateId, leafHash }: SealedFor): Buffer {
  const parts = [PURPOSE, busId, certificateId, leafHash];
  const bytes = Buffer.alloc(parts.reduce((sum, part) => sum + 4 + Buffer.byteLength(part), 0));
  let offset = 0;
  for (const part of parts) {
    const length = bytes.write(part, offset + 4);
    bytes.writeUInt32BE(length, offset);
    offset += 4 + length;
  }
  return bytes;
}

/** Seals a text under a vault's key. */
export function sealLocally(key: KeyObject, sealedFor: SealedFor, text: string): Buffer {
  const nonce = crypto.getRandomValues(new Uint8Array(NONCE_BYTES));
  const cipher = createCipheriv(CIPHER, key, nonce).setAAD(associatedData(sealedFor));
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]);
}

/** Opens what {@link sealLocally} made; `undefined` for what is damaged, or was moved from another entry. */
export function openLocally(key: KeyObject, sealedFor: SealedFor, sealed: Uint8Array): string | undefined {
  try {
    const decipher = createDecipheriv(CIPHER, key, sealed.subarray(0, NONCE_BYTES)).setAAD(associatedData(sealedFor));
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
    const opened = decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES));
    decipher.final();
    return opened.toString();
  } catch {
    // The age file on the bus is opened instead.
    return undefined;
  }
}
