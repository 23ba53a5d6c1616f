/** Key files: root keys, manager keys and age identities; and Ed25519 signatures by them. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { isBase64url } from './canonical.ts';
import { EventsError } from './errors.ts';
import { parseAgeIdentity } from './identity.ts';

/** What signs commits or root events: an Ed25519 private key (RFC 8032). */
export interface Signer {
  /** Public key, base64url. */
  readonly publicKey: string;
  /** First 8 bytes of the public key's SHA-256, in hexadecimal. */
  readonly keyId: string;
  sign(message: Uint8Array): Uint8Array;
}

/** A manager's private keys. */
export interface ManagerKey {
  readonly signer: Signer;
  /** age identity, `AGE-SECRET-KEY-1…`. */
  readonly identity: string;
}

/** Of an Ed25519 signature. */
export const SIGNATURE_BYTES = 64;

const PKCS8_ED25519 = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_ED25519 = Buffer.from('302a300506032b6570032100', 'hex');
const SIGNING_PREFIX = 'CERTBUS-SIGNING-KEY-1-';
const ROOT_PREFIX = 'CERTBUS-ROOT-KEY-1-';

/** The short name of a public key in signatures. */
export function keyIdOf(publicKey: string): string {
  return createHash('sha256').update(Buffer.from(publicKey, 'base64url')).digest('hex').slice(0, 16);
}

function signerOf(seed: Uint8Array): Signer {
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: 'der', type: 'pkcs8' });
  const spki = createPublicKey(key).export({ format: 'der', type: 'spki' });
  const publicKey = spki.subarray(SPKI_ED25519.length).toString('base64url');
  return { publicKey, keyId: keyIdOf(publicKey), sign: (message) => sign(null, message, key) };
}

const verifiers = new Map<string, KeyObject>();

function verifierOf(publicKey: string): KeyObject {
  let key = verifiers.get(publicKey);
  if (!key) {
    const der = Buffer.concat([SPKI_ED25519, Buffer.from(publicKey, 'base64url')]);
    key = createPublicKey({ key: der, format: 'der', type: 'spki' });
    if (verifiers.size > 200) verifiers.clear();
    verifiers.set(publicKey, key);
  }
  return key;
}

/** Whether `signature` is `publicKey`'s Ed25519 signature over `message`. */
export function isSignatureOf(publicKey: string, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    return verify(null, message, verifierOf(publicKey), signature);
  } catch {
    // A public key that is not a point of the curve has signed nothing.
    return false;
  }
}

function createSeedText(prefix: string): string {
  return prefix + Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('base64url');
}

/** The one line of a file that begins with a prefix. Which of two keys is meant, nobody can tell. */
function keyLine(text: string, prefix: string, what: string): string {
  const lines = text.split(/\r?\n|\\n/).map((line) => line.trim());
  const [line, ...others] = new Set(lines.filter((candidate) => candidate.startsWith(prefix)));
  if (line === undefined || others.length > 0) {
    const message =
      line === undefined
        ? `This is not ${what}: it needs a line that begins with ${prefix}. Was another file given?`
        : `This file has ${1 + others.length} lines that begin with ${prefix}, and ${what} is one. Keep each in a file of its own, and give the file of the newest.`;
    throw new EventsError('CERTBUS_EVENTS_KEY_MALFORMED', message);
  }
  return line;
}

function parseSeed(text: string, prefix: string, what: string): Uint8Array {
  const encoded = keyLine(text, prefix, what).slice(prefix.length);
  if (!isBase64url(encoded, 32)) {
    throw new EventsError(
      'CERTBUS_EVENTS_KEY_MALFORMED',
      `This is not ${what}: what follows ${prefix} is damaged. Was a part of the line lost?`,
    );
  }
  return Buffer.from(encoded, 'base64url');
}

const parseIdentity = (text: string, what: string): string => keyLine(text, 'AGE-SECRET-KEY-', what);

/** Makes a root key and returns the text of its file. */
export function createRootKey(): string {
  const text = createSeedText(ROOT_PREFIX);
  const { publicKey } = parseRootKey(text);
  return `# CertBus root key: says who manages a bus and who can open its private keys. Keep it offline.\n# public key: ${publicKey}\n${text}\n`;
}

/** Reads the text of a root key file. Throws `CERTBUS_EVENTS_KEY_MALFORMED`. */
export function parseRootKey(text: string): Signer {
  return signerOf(parseSeed(text, ROOT_PREFIX, 'a root key'));
}

/** The library is loaded by those who make or seal keys: a load balancer's main thread does neither. */
async function generateIdentity(): Promise<string> {
  const age = await import('age-encryption');
  return age.generateIdentity();
}

const recipientOf = async (identity: string): Promise<string> => (await parseAgeIdentity(identity)).recipient;

/**
 * Makes a manager's keys and returns the text of their file. The public half of the signing key has no leading dash, which a command line would
 * take for a flag.
 */
export async function createManagerKey(): Promise<string> {
  let seed: string;
  do seed = createSeedText(SIGNING_PREFIX);
  while (parseSigningKey(seed).publicKey.startsWith('-'));
  const text = `${seed}\n${await generateIdentity()}`;
  const { signer, identity } = parseManagerKey(text);
  return `# CertBus manager key: signs commits, opens the configuration and the ACME account key.\n# signing key: ${signer.publicKey}\n# recipient: ${await recipientOf(identity)}\n${text}\n`;
}

const parseSigningKey = (text: string): Signer => signerOf(parseSeed(text, SIGNING_PREFIX, 'a manager key'));

/** Reads the text of a manager key file; `\n` may be written as two characters. Throws `CERTBUS_EVENTS_KEY_MALFORMED`. */
export function parseManagerKey(text: string): ManagerKey {
  return { signer: parseSigningKey(text), identity: parseIdentity(text, 'a manager key') };
}

/** Makes an age identity and returns the text of its file, as age-keygen writes it. */
export async function createIdentity(): Promise<string> {
  const identity = await generateIdentity();
  return `# public key: ${await recipientOf(identity)}\n${identity}\n`;
}

/** Reads the text of an age identity file. Throws `CERTBUS_EVENTS_KEY_MALFORMED`. */
export async function parseIdentityFile(text: string): Promise<{ identity: string; recipient: string }> {
  const identity = parseIdentity(text, 'an age identity');
  try {
    return { identity, recipient: await recipientOf(identity) };
  } catch {
    throw new EventsError('CERTBUS_EVENTS_KEY_MALFORMED', 'This age identity is damaged: its checksum is wrong.');
  }
}
