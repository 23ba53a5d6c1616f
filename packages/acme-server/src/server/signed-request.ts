/** Checks the signature of a request, and finds the account that made it (RFC 8555 §6). */
import { parseJsonObject } from './base64url.ts';
import type { Ca } from './ca.ts';
import type { Received } from './exchange.ts';
import { checkAlgorithm, type Jws, parseJwsText, verifyJws } from './jws.ts';
import { malformed, ProblemDocument } from './problem-document.ts';
import { type AccountPublicKey, parseJwk } from './public-key.ts';
import type { Account } from './records.ts';
import { ACCOUNT_PATH, pathOf } from './urls.ts';

/** A POST whose signature, nonce and URL are right. */
export interface SignedRequest extends Received {
  readonly jws: Jws;
  /** `undefined` for POST-as-GET (RFC 8555 §6.3). */
  readonly payload: Readonly<Record<string, unknown>> | undefined;
  readonly publicKey: AccountPublicKey;
}

/** A POST by an account. */
export interface AccountRequest extends SignedRequest {
  readonly account: Account;
}

function checkForm({ headers, body }: Received): void {
  if (headers['content-type'] !== 'application/jose+json') {
    throw malformed('The Content-Type must be application/jose+json (RFC 8555 §6.2)', 415);
  }
  if (headers['replay-nonce'] !== undefined) throw malformed('The nonce belongs into the JWS, not into a header');
  if (body === '') throw malformed('The body is empty; read resources by POST-as-GET');
}

function checkNonce(ca: Ca, { nonce }: Received): void {
  const refuse = (why: string) => new ProblemDocument('badNonce', why);
  if (nonce === undefined) throw refuse('The JWS has no nonce');
  if (nonce === 'replayed') throw refuse('The nonce was used before');
  if (nonce === 'unknown') throw refuse('The nonce did not come from this server');
  if (ca.random() * 100 < ca.nonceRejection.percent) throw refuse('The nonce is good, and refused for a test');
}

function checkUrl({ header }: Jws, { origin, path }: Received): void {
  const expected = `${origin}${path}`;
  if (header['url'] === expected) return;
  throw malformed(`The url in the JWS is ${String(header['url'])}, and the request went to ${expected}`);
}

function payloadOf({ payload }: Jws): SignedRequest['payload'] {
  return payload.length === 0 ? undefined : parseJsonObject(payload.toString(), 'The payload');
}

/** Finds the account that a `kid` names (RFC 8555 §6.2). Throws `malformed`, `accountDoesNotExist` or `unauthorized`. */
function findAccount(ca: Ca, kid: unknown, origin: string): Account {
  const path = typeof kid === 'string' ? pathOf(kid, origin) : undefined;
  if (path === undefined) throw malformed('The kid must be the URL of an account here');
  const [, id = ''] = ACCOUNT_PATH.exec(path) ?? [];
  const account = ca.records.accounts.get(id);
  if (!account) throw new ProblemDocument('accountDoesNotExist', `There is no account ${String(kid)}`);
  if (account.status !== 'valid') throw new ProblemDocument('unauthorized', 'The account is deactivated');
  return account;
}

function checkKeyReference({ header }: Jws, who: 'jwk' | 'kid'): void {
  if ('jwk' in header && 'kid' in header) throw malformed('A JWS has either jwk or kid, not both');
  if (!(who in header)) throw malformed(`This request must be signed with ${who} in its protected header`);
}

/** Reads a POST that carries its own key, as those to newAccount and by a certificate's key do (RFC 8555 §6.2). */
export function authenticateByJwk(ca: Ca, received: Received): SignedRequest {
  checkForm(received);
  const jws = parseJwsText(received.body);
  checkKeyReference(jws, 'jwk');
  checkAlgorithm(jws);
  const publicKey = parseJwk(jws.header['jwk']);
  verifyJws(jws, publicKey);
  checkNonce(ca, received);
  checkUrl(jws, received);
  return { ...received, jws, payload: payloadOf(jws), publicKey };
}

/** Reads a POST of an account (RFC 8555 §6.2). */
export function authenticate(ca: Ca, received: Received): AccountRequest {
  checkForm(received);
  const jws = parseJwsText(received.body);
  checkKeyReference(jws, 'kid');
  checkAlgorithm(jws);
  const account = findAccount(ca, jws.header['kid'], received.origin);
  verifyJws(jws, account.publicKey);
  checkNonce(ca, received);
  checkUrl(jws, received);
  return { ...received, jws, payload: payloadOf(jws), publicKey: account.publicKey, account };
}

/** Reads a POST of an account, or of a key that needs none, as those to revokeCert are (RFC 8555 §7.6). */
export function authenticateByEither(ca: Ca, received: Received): SignedRequest | AccountRequest {
  checkForm(received);
  const isByJwk = 'jwk' in parseJwsText(received.body).header;
  return isByJwk ? authenticateByJwk(ca, received) : authenticate(ca, received);
}

/** Throws `malformed` unless a request is POST-as-GET. */
export function checkPostAsGet({ payload }: SignedRequest): void {
  if (payload !== undefined) throw malformed('This resource is read by POST-as-GET, with an empty payload');
}

/** Gives a payload, or throws `malformed` where there is none. */
export function requirePayload({ payload }: SignedRequest): Readonly<Record<string, unknown>> {
  if (payload === undefined) throw malformed('This request needs a JSON object as its payload');
  return payload;
}
