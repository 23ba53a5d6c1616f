/**
 * Opens an age file that is sealed to an X25519 recipient, with nothing but Node's cryptography: what docs/format.md means by
 * "sealed". Written from https://age-encryption.org/v1.
 *
 * `node open.mjs IDENTITYFILE < SEALED` reads a sealed value as an event has it, in base64, and writes what was inside.
 */
import { createDecipheriv, createHmac, createPrivateKey, createPublicKey, diffieHellman, hkdfSync } from 'node:crypto';
import { readFileSync } from 'node:fs';

const CHARACTERS = 'qpzry9x8gf2tvdw0s3jn54khce6mua7l';
const CHUNK = 64 * 1024 + 16;

/** The 32 bytes of an identity `AGE-SECRET-KEY-1…` (Bech32, BIP 173); its checksum is the last six characters. */
function scalarOf(identity) {
  const bits = [...identity.toLowerCase().slice('age-secret-key-1'.length, -6)]
    .map((character) => CHARACTERS.indexOf(character).toString(2).padStart(5, '0'))
    .join('');
  return Buffer.from(
    bits
      .slice(0, 256)
      .match(/.{8}/g)
      .map((byte) => Number.parseInt(byte, 2)),
  );
}

function open(key, nonce, bytes) {
  const decipher = createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 });
  decipher.setAuthTag(bytes.subarray(-16));
  return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
}

const hkdf = (key, salt, info) => Buffer.from(hkdfSync('sha256', key, salt, info, 32));
const decode = (text) => Buffer.from(text, 'base64');

/** The file key, from the stanza that is for this identity: its share, and the wrapped key. */
function unwrap(scalar, share, wrapped) {
  const pkcs8 = Buffer.concat([decode('MC4CAQAwBQYDK2VuBCIEIA=='), scalar]);
  const privateKey = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' });
  const own = Buffer.from(createPublicKey(privateKey).export({ format: 'jwk' }).x, 'base64url');
  const publicKey = createPublicKey({
    key: { kty: 'OKP', crv: 'X25519', x: share.toString('base64url') },
    format: 'jwk',
  });
  const shared = diffieHellman({ privateKey, publicKey });
  const key = hkdf(shared, Buffer.concat([share, own]), 'age-encryption.org/v1/X25519');
  try {
    return open(key, Buffer.alloc(12), wrapped);
  } catch {
    // It is for somebody else.
    return undefined;
  }
}

function openFile(file, identity) {
  const text = file.toString('latin1');
  const [header, mac] = /^age-encryption\.org\/v1\n.*?\n--- (\S+)\n/s.exec(text) ?? [];
  if (!header) throw new Error('This is not an age file.');
  const stanzas = [...header.matchAll(/^-> X25519 (\S+)\n(\S+)\n/gm)];
  const scalar = scalarOf(identity);
  const fileKey = stanzas.reduce(
    (found, [, share, wrapped]) => found ?? unwrap(scalar, decode(share), decode(wrapped)),
    undefined,
  );
  if (!fileKey) throw new Error('This identity does not open the sealed value.');
  const macKey = hkdf(fileKey, '', 'header');
  const expected = createHmac('sha256', macKey)
    .update(header.slice(0, -mac.length - 2))
    .digest();
  if (!expected.equals(decode(mac))) throw new Error('The header of the age file was changed.');
  const nonce = file.subarray(header.length, header.length + 16);
  const body = file.subarray(header.length + 16);
  const key = hkdf(fileKey, nonce, 'payload');
  const chunks = [];
  for (let n = 0; n * CHUNK < body.length; n += 1) {
    const counter = Buffer.alloc(12);
    counter.writeUInt32BE(n, 7);
    counter[11] = (n + 1) * CHUNK >= body.length ? 1 : 0;
    chunks.push(open(key, counter, body.subarray(n * CHUNK, (n + 1) * CHUNK)));
  }
  return Buffer.concat(chunks);
}

const [, , identityFile] = process.argv;
const identity = readFileSync(identityFile, 'utf8')
  .split(/\r?\n/)
  .find((line) => line.startsWith('AGE-SECRET-KEY-1'));
process.stdout.write(openFile(decode(readFileSync(0, 'latin1')), identity));
