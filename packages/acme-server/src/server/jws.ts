/** Parses and verifies JWS (RFC 8555 §6.2). */
import { constants, verify } from 'node:crypto';
import { decodeBase64Url, decodeJsonObject, parseJsonObject } from './base64url.ts';
import { malformed, ProblemDocument } from './problem-document.ts';
import { type AccountPublicKey, ALGORITHMS, type Algorithm } from './public-key.ts';

/** A JWS in the flattened JSON form (RFC 8555 §6.2), taken apart and not verified yet. */
export interface Jws {
  readonly header: Readonly<Record<string, unknown>>;
  readonly payload: Buffer;
  readonly input: Buffer;
  readonly signature: Buffer;
}

const HASH: Readonly<Record<Algorithm, 'sha256' | 'sha384' | null>> = {
  ES256: 'sha256',
  ES384: 'sha384',
  RS256: 'sha256',
  EdDSA: null,
};

/** Takes a JWS apart. Throws `malformed`. */
export function parseJws(members: Readonly<Record<string, unknown>>): Jws {
  // RFC 8555 §6.2: no unprotected header, and no general form with several signatures.
  if ('header' in members) throw malformed('A JWS must not have an unprotected header');
  if ('signatures' in members) throw malformed('A JWS must have the flattened form, with one signature');
  const header = decodeJsonObject(members['protected'], 'The protected header');
  // RFC 7515 §4.1.11: what is critical must be understood, and nothing is.
  if ('crit' in header) throw malformed('The protected header names extensions that are not known here');
  return {
    header,
    payload: decodeBase64Url(members['payload'], 'The payload'),
    input: Buffer.from(`${String(members['protected'])}.${String(members['payload'])}`),
    signature: decodeBase64Url(members['signature'], 'The signature'),
  };
}

/** Takes the text of a JWS apart. Throws `malformed`. */
export function parseJwsText(text: string): Jws {
  return parseJws(parseJsonObject(text, 'The body'));
}

/** Throws `badSignatureAlgorithm`, with the algorithms that are supported, for every other (RFC 8555 §6.2). */
export function checkAlgorithm({ header }: Jws): Algorithm {
  const algorithm = ALGORITHMS.find((known) => known === header['alg']);
  if (algorithm) return algorithm;
  const detail = `The signature algorithm ${String(header['alg'])} is not supported; these are: ${ALGORITHMS.join(', ')}`;
  throw new ProblemDocument('badSignatureAlgorithm', detail, { members: { algorithms: ALGORITHMS } });
}

/** Verifies a signature. Throws `malformed`, or `badSignatureAlgorithm` where algorithm and key do not go together. */
export function verifyJws(jws: Jws, { key, algorithm }: AccountPublicKey): void {
  if (checkAlgorithm(jws) !== algorithm) {
    const detail = `This key signs with ${algorithm}, not with ${String(jws.header['alg'])}`;
    throw new ProblemDocument('badSignatureAlgorithm', detail, { members: { algorithms: [algorithm] } });
  }
  const how = { key, dsaEncoding: 'ieee-p1363', padding: constants.RSA_PKCS1_PADDING } as const;
  const isGenuine = verify(HASH[algorithm], jws.input, algorithm === 'EdDSA' ? key : how, jws.signature);
  if (!isGenuine) throw malformed('The signature does not verify');
}
