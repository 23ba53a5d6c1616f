import { constants, createHmac, sign } from 'node:crypto';
import type { AccountKey, Jwk } from './account-key.ts';

/** A JWS in the flattened JSON form that RFC 8555 §6.2 asks for. */
export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

/** Key of an external account (RFC 8555 §7.3.4), as the CA's web page gives it. */
export interface ExternalAccount {
  readonly kid: string;
  /** base64url. */
  readonly hmacKey: string;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs one request. `payload` null means POST-as-GET (RFC 8555 §6.3). The result must be sent at most once. */
export function signJws(
  { key, jwk, alg, hash }: AccountKey,
  payload: unknown,
  { url, nonce, kid }: { readonly url: string; readonly nonce: string; readonly kid: string | null },
): Jws {
  const header = encode({ alg, nonce, url, ...(kid ? { kid } : { jwk }) });
  const body = payload === null ? '' : encode(payload);
  const input = Buffer.from(`${header}.${body}`);
  const how = { key, dsaEncoding: 'ieee-p1363', padding: constants.RSA_PKCS1_PADDING } as const;
  return { protected: header, payload: body, signature: sign(hash, input, how).toString('base64url') };
}

/** Binds an account key to an account that the CA keeps outside ACME (RFC 8555 §7.3.4), with HS256. */
export function bindExternalAccount(jwk: Jwk, { kid, hmacKey }: ExternalAccount, url: string): Jws {
  const header = encode({ alg: 'HS256', kid, url });
  const payload = encode(jwk);
  const mac = createHmac('sha256', Buffer.from(hmacKey, 'base64url')).update(`${header}.${payload}`);
  return { protected: header, payload, signature: mac.digest('base64url') };
}
