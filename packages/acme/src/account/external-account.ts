/** Accounts that a CA keeps outside ACME, and binding a key to one (EAB). */
import { AcmeError } from '../errors.ts';
import { type Jws, macJws } from '../wire/jws.ts';
import type { Jwk } from './account-key.ts';

/** MAC algorithms of RFC 7518 §3.2. */
export type MacAlgorithm = 'HS256' | 'HS384' | 'HS512';

/** Key of an external account (RFC 8555 §7.3.4), as the CA's web page gives it. */
export interface ExternalAccount {
  readonly kid: string;
  /** base64url, as long as the MAC at least: 32 bytes for HS256, 48 for HS384, 64 for HS512. */
  readonly hmacKey: string;
  /** Default `HS256`. */
  readonly algorithm?: MacAlgorithm;
}

/** An external account whose key was read. */
export interface MacKey {
  readonly kid: string;
  readonly alg: MacAlgorithm;
  readonly hash: string;
  readonly key: Uint8Array;
}

const MACS: Readonly<Record<MacAlgorithm, { readonly hash: string; readonly bytes: number }>> = {
  HS256: { hash: 'sha256', bytes: 32 },
  HS384: { hash: 'sha384', bytes: 48 },
  HS512: { hash: 'sha512', bytes: 64 },
};

/** Messages show nothing of the key but its length. */
function invalid(why: string): AcmeError {
  const message = `The external account (EAB) cannot be used: ${why}. Copy kid and key from the CA's page again.`;
  return new AcmeError('CERTBUS_ACME_EAB_INVALID', message);
}

/** Reads an external account. Throws `CERTBUS_ACME_EAB_INVALID`, which shows nothing of the key. */
export function readExternalAccount({ kid, hmacKey, algorithm = 'HS256' }: ExternalAccount): MacKey {
  const mac = Object.hasOwn(MACS, algorithm) ? MACS[algorithm] : undefined;
  if (!mac) throw invalid('its algorithm is not HS256, HS384 or HS512');
  if (!/^[\x21-\x7e]{1,500}$/.test(kid)) throw invalid('its kid is empty or has characters that none has');
  if (!/^[\w-]+={0,2}$/.test(hmacKey)) {
    const hint = /^[\w+/=-]+$/.test(hmacKey) ? ', but base64 with "+" or "/"' : '';
    throw invalid(`its key is not base64url${hint}`);
  }
  const bare = hmacKey.replace(/=+$/, '');
  const key = Buffer.from(bare, 'base64url');
  if (bare.length % 4 === 1 || key.toString('base64url') !== bare) throw invalid('its key is cut off');
  if (key.length < mac.bytes) {
    throw invalid(
      `${algorithm} needs a key of ${mac.bytes} bytes or more (RFC 7518 §3.2), and this one has ${key.length}`,
    );
  }
  return { kid, alg: algorithm, hash: mac.hash, key };
}

/** Binds an account key to an account that the CA keeps outside ACME (RFC 8555 §7.3.4). */
export function bindExternalAccount(jwk: Jwk, mac: MacKey, url: string): Jws {
  return macJws(jwk, { ...mac, url });
}
