/** The key types that a certificate can have, and how their keys are made. */
import type { webcrypto } from 'node:crypto';
import { KEY_TYPES, type KeyType } from '@certbus/events';
import { ManagerError } from '../errors.ts';

type KeyAlgorithm = (webcrypto.EcKeyGenParams | webcrypto.RsaHashedKeyGenParams) & { readonly hash: string };

/** Reads a key type, in any case. Throws `CERTBUS_MANAGER_KEY_TYPE_REFUSED` with the reason. */
export function parseKeyType(text: string): KeyType {
  const found = KEY_TYPES.find((known) => known === text.trim().toUpperCase());
  if (found) return found;
  const shown = JSON.stringify(text.slice(0, 40));
  const isP521 = /^(P-?521|SECP521R1)$/i.test(text.trim());
  const why = isP521
    ? 'public CAs refuse P-521 keys, which are slower than P-384 and protect no better in practice'
    : `${shown} is not known`;
  const what = `The key type is refused: ${why}. Choose one of ${KEY_TYPES.join(', ')}.`;
  throw new ManagerError('CERTBUS_MANAGER_KEY_TYPE_REFUSED', what);
}

const SHA256 = { hash: 'SHA-256' } as const;
const RSA = { name: 'RSASSA-PKCS1-v1_5', publicExponent: new Uint8Array([1, 0, 1]), ...SHA256 };

/** How keys of a type are made and sign their CSR (RFC 8555 section 11.2: 2048 bits or more, SHA-256 or better). */
export const ALGORITHMS: Readonly<Record<KeyType, KeyAlgorithm>> = {
  'P-256': { name: 'ECDSA', namedCurve: 'P-256', ...SHA256 },
  'P-384': { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' },
  'RSA-2048': { ...RSA, modulusLength: 2048 },
  'RSA-3072': { ...RSA, modulusLength: 3072 },
  'RSA-4096': { ...RSA, modulusLength: 4096 },
};
