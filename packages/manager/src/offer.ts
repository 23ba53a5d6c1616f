import 'reflect-metadata';
import { createPublicKey } from 'node:crypto';
import { type CsrOffer, isAddress, type Recipient, seal } from '@certbus/events';
import {
  Pkcs10CertificateRequest,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
} from '@peculiar/x509';

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

function toPem(pkcs8: ArrayBuffer): string {
  const lines =
    Buffer.from(pkcs8)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN PRIVATE KEY-----\n${lines.join('\n')}\n-----END PRIVATE KEY-----\n`;
}

const generalName = (value: string) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value });

/**
 * Makes a P-256 key pair, its CSR (SAN only, no common name) and seals the private key to the recipients. The key exists
 * in the clear inside this function only.
 */
export async function createOffer(
  names: readonly string[],
  {
    recipients,
    recipientsPosition,
  }: { readonly recipients: readonly Recipient[]; readonly recipientsPosition: number },
): Promise<CsrOffer> {
  const keys = await crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create(
    {
      keys,
      signingAlgorithm: KEY,
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
