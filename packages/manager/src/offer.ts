import 'reflect-metadata';
import { createPublicKey } from 'node:crypto';
import { type CsrOffer, isAddress, type Recipient, seal } from '@certbus/events';
import {
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';
import type { OfferSubject } from './decide/claim.ts';
import { ALGORITHMS, DEFAULT_KEY_TYPE } from './key-type.ts';

function toPem(pkcs8: ArrayBuffer): string {
  const lines =
    Buffer.from(pkcs8)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

const generalName = (value: string) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value });

/**
 * Makes a key pair, its CSR (SAN only, no common name) and seals the private key to the recipients. The key exists in the clear
 * inside this function only. An RSA key of 4096 bits takes a second or more.
 */
export async function createOffer(
  { names, keyType = DEFAULT_KEY_TYPE }: OfferSubject,
  {
    recipients,
    recipientsPosition,
  }: { readonly recipients: readonly Recipient[]; readonly recipientsPosition: number },
): Promise<CsrOffer> {
  const algorithm = ALGORITHMS[keyType];
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      keys,
      signingAlgorithm: algorithm,
      extensions: [new SubjectAlternativeNameExtension(names.map(generalName))],
    },
    crypto,
  );
  const sealedKey = await seal(toPem(await crypto.subtle.exportKey('pkcs8', keys.privateKey)), recipients);
  return { csr: Buffer.from(request.rawData).toString('base64'), sealedKey, recipientsPosition };
}

/** The public key that a CSR asks a certificate for, SPKI in DER. */
export function publicKeyOf({ csr }: CsrOffer): Uint8Array {
  const request = new Pkcs10CertificateRequest(Buffer.from(csr, 'base64'));
  return createPublicKey({ key: Buffer.from(request.publicKey.rawData), format: 'der', type: 'spki' }).export({
    format: 'der',
    type: 'spki',
  });
}
