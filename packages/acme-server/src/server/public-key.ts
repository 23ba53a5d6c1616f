/** Public keys of accounts as they come in requests. */
import { createHash, createPublicKey, type KeyObject } from 'node:crypto';
import { isRecord } from './base64url.ts';
import { malformed, ProblemDocument } from './problem-document.ts';

/** Signature algorithms that requests may use. */
export const ALGORITHMS = ['ES256', 'ES384', 'RS256', 'EdDSA'] as const;

/** One of {@link ALGORITHMS}. */
export type Algorithm = (typeof ALGORITHMS)[number];

/** A public key that signs requests. */
export interface AccountPublicKey {
  readonly key: KeyObject;
  readonly algorithm: Algorithm;
  /** RFC 7638, base64url. */
  readonly thumbprint: string;
}

// Members that RFC 7638 hashes, in its order.
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
  EC: ['crv', 'kty', 'x', 'y'],
  OKP: ['crv', 'kty', 'x'],
  RSA: ['e', 'kty', 'n'],
};

const RSA_BITS = new Set([2048, 3072, 4096]);
const SMALL_PRIMES = [3n, 5n, 7n, 11n, 13n, 17n, 19n, 23n, 29n, 31n, 37n, 41n, 43n, 47n, 53n, 59n, 61n, 67n, 71n, 73n];

function isqrt(value: bigint): bigint {
  let low = 1n << (BigInt(value.toString(2).length) / 2n);
  for (;;) {
    const next = (low + value / low) >> 1n;
    if (next === low || next === low + 1n) return next * next > value ? next - 1n : next;
    low = next;
  }
}

/** Whether Fermat's method splits a modulus within a hundred rounds, as it does when both primes are close. */
function hasClosePrimes(modulus: bigint): boolean {
  let a = isqrt(modulus);
  for (let round = 0; round < 100; round += 1, a += 1n) {
    const rest = a * a - modulus;
    if (rest < 0n) continue;
    const root = isqrt(rest === 0n ? 1n : rest);
    if (root * root === rest) return true;
  }
  return false;
}

function weaknessOfRsa(key: KeyObject): string | undefined {
  const { modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {};
  if (!RSA_BITS.has(modulusLength)) return `RSA keys have 2048, 3072 or 4096 bits, not ${modulusLength}`;
  if (publicExponent !== 65537n) return 'the public exponent of an RSA key is 65537';
  const { n = '' } = key.export({ format: 'jwk' });
  const modulus = BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`);
  if ([2n, ...SMALL_PRIMES].some((prime) => modulus % prime === 0n)) return 'the RSA modulus has a small factor';
  return hasClosePrimes(modulus) ? 'the primes of the RSA modulus are too close' : undefined;
}

/** Why no CA would take a key for a certificate or an account; `undefined` where it would. P-521 is among them, as at Let's Encrypt. */
export function weaknessOf(key: KeyObject): string | undefined {
  const { asymmetricKeyType: type, asymmetricKeyDetails } = key;
  if (type === 'rsa') return weaknessOfRsa(key);
  const curve = asymmetricKeyDetails?.namedCurve ?? '';
  if (type === 'ec') return /^(?:prime256v1|secp384r1)$/.test(curve) ? undefined : `the curve ${curve} is not allowed`;
  return `keys of type ${type} are not allowed`;
}

function algorithmOf(key: KeyObject): Algorithm {
  const { asymmetricKeyType: type, asymmetricKeyDetails } = key;
  if (type === 'ed25519') return 'EdDSA';
  const weakness = weaknessOf(key);
  if (weakness) throw new ProblemDocument('badPublicKey', `The account key cannot be used: ${weakness}`);
  if (type === 'rsa') return 'RS256';
  return asymmetricKeyDetails?.namedCurve === 'secp384r1' ? 'ES384' : 'ES256';
}

/** Thumbprint of a public key (RFC 7638), base64url. */
export function thumbprintOf(key: KeyObject): string {
  const jwk: Record<string, unknown> = { ...key.export({ format: 'jwk' }) };
  const members = MEMBERS[String(jwk['kty'])] ?? [];
  const text = JSON.stringify(Object.fromEntries(members.map((member) => [member, jwk[member]])));
  return createHash('sha256').update(text).digest('base64url');
}

/** Reads a JWK (RFC 7517). Throws `malformed` or `badPublicKey`. */
export function parseJwk(value: unknown): AccountPublicKey {
  if (!isRecord(value)) throw malformed('The jwk must be a JSON object');
  const members = MEMBERS[String(value['kty'])];
  if (!members) throw new ProblemDocument('badPublicKey', `Keys of type ${String(value['kty'])} are not supported`);
  if ('d' in value || 'k' in value) throw malformed('The jwk holds a private key');
  if (!members.every((member) => typeof value[member] === 'string')) throw malformed('The jwk lacks a member');
  const key = createKey(Object.fromEntries(members.map((member) => [member, String(value[member])])));
  return { key, algorithm: algorithmOf(key), thumbprint: thumbprintOf(key) };
}

function createKey(jwk: Record<string, string>): KeyObject {
  try {
    return createPublicKey({ key: jwk, format: 'jwk' });
  } catch {
    throw malformed('The jwk is not a public key');
  }
}
