/** Writes age files (age-encryption.org/v1) for X25519 recipients: a header with the file key wrapped for each, and the text in chunks. */
import { createCipheriv, createHmac, createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import type { X25519Recipient } from './recipient.ts';
import { KEY_BYTES, TAG_BYTES } from './x25519.ts';

const FILE_KEY_BYTES = 16;
const SALT_BYTES = 16;
const CHUNK_BYTES = 65_536;
/** A chunk's nonce is its number, of eleven bytes, and one that marks the last chunk. */
const NONCE_BYTES = 12;

const random = (bytes: number): Uint8Array => crypto.getRandomValues(new Uint8Array(bytes));

const unpadded = (bytes: Buffer): string => bytes.toString('base64').replace(/=+$/, '');

function derive(fileKey: KeyObject, salt: Uint8Array, purpose: 'header' | 'payload'): KeyObject {
  return createSecretKey(new Uint8Array(hkdfSync('sha256', fileKey, salt, purpose, KEY_BYTES)));
}

function headerOf(fileKey: Uint8Array, recipients: readonly X25519Recipient[]): string {
  const wrapped = recipients.map((recipient) => recipient.wrap(fileKey));
  // A body of a file key is shorter than the line of 64 characters that others are broken into.
  const stanzas = wrapped.map(({ share, body }) => `-> X25519 ${unpadded(share)}\n${unpadded(body)}\n`);
  return `age-encryption.org/v1\n${stanzas.join('')}---`;
}

function nonceOf(chunk: number, isLast: boolean): Buffer {
  const nonce = Buffer.alloc(NONCE_BYTES);
  nonce.writeUInt32BE(chunk, NONCE_BYTES - 5);
  nonce.writeUInt8(isLast ? 1 : 0, NONCE_BYTES - 1);
  return nonce;
}

function* sealedChunks(text: Uint8Array, key: KeyObject): Iterable<Buffer> {
  for (let at = 0, chunk = 0; at === 0 || at < text.length; at += CHUNK_BYTES, chunk += 1) {
    const nonce = nonceOf(chunk, at + CHUNK_BYTES >= text.length);
    const cipher = createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: TAG_BYTES });
    yield cipher.update(text.subarray(at, at + CHUNK_BYTES));
    cipher.final();
    yield cipher.getAuthTag();
  }
}

/** An age file of a text for these recipients. Throws for a recipient of low order. */
export function writeAgeFile(text: Uint8Array, recipients: readonly X25519Recipient[]): Buffer {
  const fileKey = random(FILE_KEY_BYTES);
  const key = createSecretKey(fileKey);
  const header = headerOf(fileKey, recipients);
  const mac = createHmac('sha256', derive(key, new Uint8Array(), 'header'))
    .update(header)
    .digest();
  const salt = random(SALT_BYTES);
  const chunks = sealedChunks(text, derive(key, salt, 'payload'));
  return Buffer.concat([Buffer.from(`${header} ${unpadded(mac)}\n`), salt, ...chunks]);
}
