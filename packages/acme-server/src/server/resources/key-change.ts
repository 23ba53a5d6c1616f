/** The keyChange resource. */
import { parseJsonObject } from '../base64url.ts';
import type { Ca } from '../ca.ts';
import type { Reply } from '../exchange.ts';
import { type Jws, parseJws, verifyJws } from '../jws.ts';
import { malformed, notFound, ProblemDocument } from '../problem-document.ts';
import { type AccountPublicKey, parseJwk } from '../public-key.ts';
import { accountOfKey } from '../records.ts';
import { type AccountRequest, requirePayload } from '../signed-request.ts';
import { accountUrl, PATHS } from '../urls.ts';
import { accountBody } from './account.ts';

function checkInner(inner: Jws, outer: Jws): AccountPublicKey {
  const { jwk, kid, nonce, url } = inner.header;
  if (jwk === undefined || kid !== undefined) throw malformed('The inner JWS must carry the new key as jwk');
  if (nonce !== undefined) throw malformed('The inner JWS must not have a nonce');
  if (url !== outer.header['url']) throw malformed('The inner JWS must have the url of the outer one');
  const key = parseJwk(jwk);
  verifyJws(inner, key);
  return key;
}

function checkIntent({ payload }: Jws, { account, origin }: AccountRequest): void {
  const { account: url, oldKey } = parseJsonObject(payload.toString(), 'The payload of the inner JWS');
  if (url !== accountUrl(account, origin)) throw malformed('The inner JWS names another account');
  if (parseJwk(oldKey).thumbprint !== account.publicKey.thumbprint) throw malformed('oldKey is not the account key');
}

function checkOffered({ settings }: Ca): void {
  if (settings.keyChange === 'absent') throw notFound(`The path ${PATHS.keyChange}`);
  if (settings.keyChange === 'not-implemented')
    throw new ProblemDocument('notImplemented', 'The requested resource is not implemented');
}

/** Puts a new key in an account's place of the old one (RFC 8555 §7.3.5). The URL of the account stays. */
export function keyChange(ca: Ca, request: AccountRequest): Reply {
  checkOffered(ca);
  const { account, jws, origin } = request;
  const inner = parseJws(requirePayload(request));
  const key = checkInner(inner, jws);
  checkIntent(inner, request);
  const holder = accountOfKey(ca.records, key);
  if (holder) {
    return {
      status: 409,
      headers: { location: accountUrl(holder, origin) },
      contentType: 'application/problem+json',
      body: malformed('The new key belongs to an account already', 409).toJSON(),
    };
  }
  account.publicKey = key;
  ca.emit('account', { url: accountUrl(account, origin), what: 'key-changed' });
  return { status: 200, headers: { location: accountUrl(account, origin) }, body: accountBody(account) };
}
