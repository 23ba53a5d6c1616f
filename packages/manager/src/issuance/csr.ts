/** Makes a key pair, its CSR, and seals the private key. */
import { KeyObject } from 'node:crypto';
import { type CsrOptions, createCsr, publicKeyOfCsr } from '@certbus/acme';
import { type CsrWithKey, type Recipient, seal } from '@certbus/events';
import type { CsrSubject } from '../decide/claim.ts';
import { DEFAULT_KEY_TYPE } from '../decide/key-type.ts';
import { ALGORITHMS } from './key-type.ts';

/**
 * Makes a key pair, its CSR (no common name, unless the CA wants one) and seals the private key to the recipients. The key exists in the clear
 * inside this function only. An RSA key of 4096 bits takes a second or more.
 */
export async function createCsrWithKey(
  { names, keyType = DEFAULT_KEY_TYPE }: Pick<CsrSubject, 'names' | 'keyType'>,
  {
    recipients,
    recipientsPosition,
  }: { readonly recipients: readonly Recipient[]; readonly recipientsPosition: number },
  { commonName }: CsrOptions = {},
): Promise<CsrWithKey> {
  const pair = await crypto.subtle.generateKey(ALGORITHMS[keyType], true, ['sign', 'verify']);
  const key = KeyObject.from(pair.privateKey);
  const csr = createCsr(names, key, { commonName });
  const sealedKey = await seal(key.export({ type: 'pkcs8', format: 'pem' }).toString(), recipients);
  return { csr: Buffer.from(csr).toString('base64'), sealedKey, recipientsPosition };
}

/** The public key that a CSR asks a certificate for, SPKI in DER. */
export function publicKeyOf({ csr }: CsrWithKey): Uint8Array {
  return publicKeyOfCsr(Buffer.from(csr, 'base64'));
}
