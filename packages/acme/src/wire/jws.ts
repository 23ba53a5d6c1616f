/** Signs requests as JWS (RFC 8555 §6.2). */
import { createHmac, sign } from 'node:crypto';
import type { AccountKey, Jwk } from '../account/account-key.ts';
import { childOf } from '../x509/der.ts';

/** A JWS in the flattened JSON form that RFC 8555 §6.2 asks for. */
export interface Jws {
  readonly protected: string;
  readonly payload: string;
  readonly signature: string;
}

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** How long each of the two numbers of a signature is, in bytes (RFC 7518 §3.4). */
const NUMBER_BYTES: Readonly<Record<string, number>> = { ES256: 32, ES384: 48 };

/** The two numbers of an ECDSA signature in DER at their full length, one behind the other (RFC 7518 §3.4). */
export function flatSignature(der: Uint8Array, bytes: number): Buffer {
  const numbers = [childOf(der, 0).content, childOf(der, 1).content];
  // DER leaves zeros out in front, and has one where the first bit would be a sign.
  const digits = numbers.map((number) => number.subarray(Math.max(0, number.length - bytes)));
  return Buffer.concat(digits.flatMap((each) => [Buffer.alloc(bytes - each.length), each]));
}

/** Node makes the flat form as well, but then takes three times as long for the whole signature. */
function signatureOf({ key, alg, hash }: AccountKey, input: Uint8Array): Buffer {
  const signature = sign(hash, input, key);
  const bytes = NUMBER_BYTES[alg];
  return bytes === undefined ? signature : flatSignature(signature, bytes);
}

/** Signs one request. `payload` null means POST-as-GET (RFC 8555 §6.3). The result must be sent at most once. */
export function signJws(
  accountKey: AccountKey,
  payload: unknown,
  { url, nonce, kid }: { readonly url: string; readonly nonce?: string; readonly kid: string | null },
): Jws {
  const { jwk, alg } = accountKey;
  const header = encode({ alg, ...(nonce === undefined ? {} : { nonce }), url, ...(kid ? { kid } : { jwk }) });
  const body = payload === null ? '' : encode(payload);
  const signature = signatureOf(accountKey, Buffer.from(`${header}.${body}`));
  return { protected: header, payload: body, signature: signature.toString('base64url') };
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
