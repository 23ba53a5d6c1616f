/** Makes CSRs for tests, right and wrong. */
import type { webcrypto } from 'node:crypto';
import { x509 } from '../server/x509.ts';

/** What a CSR says; the rest is as it should be. */
export interface CsrOptions {
  readonly names?: readonly string[];
  readonly ips?: readonly string[];
  readonly emails?: readonly string[];
  readonly commonName?: string;
  readonly keys?: webcrypto.CryptoKeyPair;
  /** WebCrypto's name of a curve, or a number of RSA bits. Default P-256. */
  readonly keyType?: string | number;
  readonly hash?: string;
  readonly mustStaple?: boolean;
}

function algorithmOf({ keyType = 'P-256', hash = 'SHA-256' }: CsrOptions) {
  return typeof keyType === 'number'
    ? { name: 'RSASSA-PKCS1-v1_5', modulusLength: keyType, publicExponent: new Uint8Array([1, 0, 1]), hash }
    : { name: 'ECDSA', namedCurve: keyType, hash };
}

/** A CSR in DER with its keys. */
export async function createRawCsr(
  options: CsrOptions,
): Promise<{ readonly der: Buffer; readonly keys: webcrypto.CryptoKeyPair }> {
  const { names = [], ips = [], emails = [], commonName, mustStaple } = options;
  const algorithm = algorithmOf(options);
  const keys = options.keys ?? (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']));
  const alternatives = [
    ...names.map((value) => ({ type: 'dns' as const, value })),
    ...ips.map((value) => ({ type: 'ip' as const, value })),
    ...emails.map((value) => ({ type: 'email' as const, value })),
  ];
  const stapling = new x509.Extension('1.3.6.1.5.5.7.1.24', false, new Uint8Array([0x30, 0x03, 0x02, 0x01, 0x05]));
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({
    ...(commonName === undefined ? {} : { name: `CN=${commonName}` }),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      ...(alternatives.length > 0 ? [new x509.SubjectAlternativeNameExtension(alternatives)] : []),
      ...(mustStaple ? [stapling] : []),
    ],
  });
  return { der: Buffer.from(csr.rawData), keys };
}
