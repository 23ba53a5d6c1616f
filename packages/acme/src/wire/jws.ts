/** Signs requests as JWS (RFC 8555 §6.2). */
import { constants, createHmac, sign } from 'node:crypto';
import type { AccountKey, Jwk } from '../account/account-key.ts';

/** A JWS in the flattened JSON form that RFC 8555 §6.2 asks for. */
export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Signs one request. `payload` null means POST-as-GET (RFC 8555 §6.3). The result must be sent at most once. */
export function signJws(
  { key, jwk, alg, hash }: AccountKey,
  payload: unknown,
  { url, nonce, kid }: { readonly url: string; readonly nonce?: string; readonly kid: string | null },
): Jws {
  const header = encode({ alg, ...(nonce === undefined ? {} : { nonce }), url, ...(kid ? { kid } : { jwk }) });
  const body = payload === null ? '' : encode(payload);
  const input = Buffer.from(`${header}.${body}`);
  const how = { key, dsaEncoding: 'ieee-p1363', padding: constants.RSA_PKCS1_PADDING } as const;
  return { protected: header, payload: body, signature: sign(hash, input, how).toString('base64url') };
}

/** The new key's statement that it takes an account over (RFC 8555 §7.3.5). It goes into a request that the old key signs. */
export function signKeyChange(
  newKey: AccountKey,
  { account, oldKey, url }: { readonly account: string; readonly oldKey: Jwk; readonly url: string },
): Jws {
  return signJws(newKey, { account, oldKey }, { url, kid: null });
}

/** MACs a payload with a symmetric key, whose owner is `kid`. */
export function macJws(
  payload: unknown,
  {
    alg,
    hash,
    key,
    kid,
    url,
  }: {
    readonly alg: string;
    readonly hash: string;
    readonly key: Uint8Array;
    readonly kid: string;
    readonly url: string;
  },
): Jws {
  const header = encode({ alg, kid, url });
  const body = encode(payload);
  const mac = createHmac(hash, key).update(`${header}.${body}`);
  return { protected: header, payload: body, signature: mac.digest('base64url') };
}
