/** Account keys: reading them, and the thumbprint that names them. */
import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { AcmeError } from '../errors.ts';

/** Public half of an account key, members in the order that RFC 7638 hashes. */
export type Jwk =
  | { readonly crv: string; readonly kty: 'EC'; readonly x: string; readonly y: string }
  | { readonly e: string; readonly kty: 'RSA'; readonly n: string };

/** An account key ready to sign. */
export interface AccountKey {
  readonly key: KeyObject;
  readonly jwk: Jwk;
  readonly alg: 'ES256' | 'ES384' | 'RS256';
  readonly hash: 'sha256' | 'sha384';
}

function invalid(what: string, why: string): AcmeError {
  const message = `The ${what} cannot be used: ${why}. It must be a P-256, P-384 or RSA (2048 bits and more) private key as PKCS#8 PEM.`;
  return new AcmeError('CERTBUS_ACME_ACCOUNT_KEY_INVALID', message);
}

function parse(pem: string, what: string): KeyObject {
  try {
    return createPrivateKey(pem);
  } catch {
    // The cause is left out: nothing that was derived from key bytes may travel in an error.
    throw invalid(what, 'it does not parse');
  }
}

/** Reads a PEM private key, called `what` in messages. Throws `CERTBUS_ACME_ACCOUNT_KEY_INVALID`. */
export function readAccountKey(pem: string, what = 'ACME account key'): AccountKey {
  const key = parse(pem, what);
  const { asymmetricKeyType, asymmetricKeyDetails } = key;
  if (asymmetricKeyType === 'rsa' && (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) {
    const { e, n } = key.export({ format: 'jwk' }) as { e: string; n: string };
    return { key, jwk: { e, kty: 'RSA', n }, alg: 'RS256', hash: 'sha256' };
  }
  if (asymmetricKeyType === 'ec') {
    const { crv, x, y } = key.export({ format: 'jwk' }) as { crv: string; x: string; y: string };
    if (crv === 'P-256') return { key, jwk: { crv, kty: 'EC', x, y }, alg: 'ES256', hash: 'sha256' };
    if (crv === 'P-384') return { key, jwk: { crv, kty: 'EC', x, y }, alg: 'ES384', hash: 'sha384' };
  }
  throw invalid(what, `its type is ${asymmetricKeyType ?? 'unknown'}`);
}

/** RFC 7638 thumbprint of a public key, base64url. */
export function thumbprintOf(jwk: Jwk): string {
  return createHash('sha256').update(JSON.stringify(jwk)).digest('base64url');
}

/** A P-256 key as SPKI is this and its two numbers, where its point is written in full. */
const SPKI_P256 = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
const P256_BYTES = 32;

/** The key of most CSRs: as a key object it would take twenty times as long to read. */
function jwkOfP256(spki: Buffer): Jwk | undefined {
  const numbers = spki.subarray(SPKI_P256.length);
  if (numbers.length !== 2 * P256_BYTES || !spki.subarray(0, SPKI_P256.length).equals(SPKI_P256)) return undefined;
  const [x, y] = [numbers.subarray(0, P256_BYTES), numbers.subarray(P256_BYTES)];
  return { crv: 'P-256', kty: 'EC', x: x.toString('base64url'), y: y.toString('base64url') };
}

function jwkOf(spki: Buffer): Jwk {
  const jwk = createPublicKey({ key: spki, format: 'der', type: 'spki' }).export({ format: 'jwk' });
  const { kty, crv = '', x = '', y = '', e = '', n = '' } = jwk;
  return kty === 'RSA' ? { e, kty, n } : { crv, kty: 'EC', x, y };
}

/** Whether a public key (SPKI, DER) is that of an account. */
export function isAccountKey(spki: Uint8Array, thumbprint: string): boolean {
  const bytes = Buffer.from(spki);
  return thumbprintOf(jwkOfP256(bytes) ?? jwkOf(bytes)) === thumbprint;
}

/**
 * RFC 7638 thumbprint of an account key: the second half of every key authorization (RFC 8555 §8.1).
 * Throws `CERTBUS_ACME_ACCOUNT_KEY_INVALID`.
 */
export function accountThumbprint(accountKeyPem: string): string {
  return thumbprintOf(readAccountKey(accountKeyPem).jwk);
}

/** Makes a P-256 account key: PKCS#8 PEM. */
export async function generateAccountKey(): Promise<string> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}
