/** Binding an account to one outside ACME. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import { parseJsonObject } from '../base64url.ts';
import type { Ca } from '../ca.ts';
import { type Jws, parseJws } from '../jws.ts';
import { malformed, ProblemDocument } from '../problem-document.ts';
import { parseJwk } from '../public-key.ts';
import type { SignedRequest } from '../signed-request.ts';

const HASH: Readonly<Record<string, string>> = { HS256: 'sha256', HS384: 'sha384', HS512: 'sha512' };

function checkHeader({ header }: Jws, url: string): string {
  const { alg, kid, nonce } = header;
  const hash = HASH[String(alg)];
  if (!hash) throw malformed(`The external account binding must use HS256, HS384 or HS512, not ${String(alg)}`);
  if (typeof kid !== 'string') throw malformed('The external account binding must name its key by kid');
  if (nonce !== undefined) throw malformed('The external account binding must not have a nonce');
  if (header['url'] !== url) throw malformed('The external account binding must have the url of the outer JWS');
  return hash;
}

function checkMac({ input, signature }: Jws, hash: string, hmacKey: string): void {
  const mac = createHmac(hash, Buffer.from(hmacKey, 'base64url')).update(input).digest();
  if (mac.length === signature.length && timingSafeEqual(mac, signature)) return;
  throw new ProblemDocument('unauthorized', 'The external account binding does not verify');
}

/**
 * Checks the binding of a new account to one outside ACME (RFC 8555 §7.3.4) and gives the key's name; `undefined` where none is
 * needed and none came. Throws `externalAccountRequired`, `malformed` or `unauthorized`. A key takes one account.
 */
export function bindExternalAccount(
  { settings, records }: Ca,
  binding: Readonly<Record<string, unknown>> | undefined,
  { publicKey, origin, path }: SignedRequest,
): string | undefined {
  if (!binding) {
    if (!settings.externalAccountRequired) return undefined;
    throw new ProblemDocument('externalAccountRequired', 'A new account needs an external account binding');
  }
  const jws = parseJws(binding);
  const hash = checkHeader(jws, `${origin}${path}`);
  const kid = String(jws.header['kid']);
  const known = settings.externalAccounts.find((each) => each.kid === kid);
  if (!known) throw new ProblemDocument('unauthorized', `There is no external account ${kid}`);
  checkMac(jws, hash, known.hmacKey);
  const bound = parseJwk(parseJsonObject(jws.payload.toString(), 'The payload of the external account binding'));
  if (bound.thumbprint !== publicKey.thumbprint) throw malformed('The external account binding is for another key');
  if ([...records.accounts.values()].some(({ externalAccount }) => externalAccount === kid)) {
    throw new ProblemDocument('unauthorized', `The external account ${kid} is bound to an account already`);
  }
  return kid;
}
