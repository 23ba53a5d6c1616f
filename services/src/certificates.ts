/** Keys, CSRs, issuers and leaves for tests. */
// Brings the Reflect polyfill that the X.509 library expects.
import 'reflect-metadata';

import type { webcrypto } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  Pkcs10CertificateRequestGenerator,
  SubjectAlternativeNameExtension,
  type X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';

type CryptoKeyPair = webcrypto.CryptoKeyPair;
type CryptoKey = webcrypto.CryptoKey;

const KEY = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY_MS = 86_400_000;

/** A P-256 key pair for signing. */
export async function createKeys(): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(KEY, true, ['sign', 'verify']);
}

/** A certificate authority of our own. */
export interface Issuer {
  readonly certificate: X509Certificate;
  readonly keys: CryptoKeyPair;
}

/** Self-signed without a parent, otherwise signed by it; with keys of its own unless they are given. */
export async function createIssuer(name: string, parent?: Issuer, given?: CryptoKeyPair): Promise<Issuer> {
  const keys = given ?? (await createKeys());
  const certificate = await X509CertificateGenerator.create({
    serialNumber: '01',
    subject: `CN=${name}`,
    issuer: parent?.certificate.subject ?? `CN=${name}`,
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + DAY_MS),
    publicKey: keys.publicKey,
    signingKey: (parent ?? { keys }).keys.privateKey,
    signingAlgorithm: KEY,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  });
  return { certificate, keys };
}

/** What a leaf says; the rest is as it should be. */
export interface LeafOptions {
  readonly issuer: Issuer;
  readonly names: readonly string[];
  readonly ips?: readonly string[];
  readonly publicKey: CryptoKey;
  readonly serialNumber?: string;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

/** A leaf signed by an issuer. */
export async function createLeaf(options: LeafOptions): Promise<X509Certificate> {
  const { issuer, names, ips = [], publicKey, serialNumber = '0087654321' } = options;
  const dns = names.map((value) => ({ type: 'dns' as const, value }));
  const ip = ips.map((value) => ({ type: 'ip' as const, value }));
  return X509CertificateGenerator.create({
    serialNumber,
    subject: '',
    issuer: issuer.certificate.subject,
    notBefore: options.notBefore ?? new Date(Date.now() - 3_600_000),
    notAfter: options.notAfter ?? new Date(Date.now() + DAY_MS),
    publicKey,
    signingKey: issuer.keys.privateKey,
    signingAlgorithm: KEY,
    extensions: [
      // Without a subject it has to be critical (RFC 5280 section 4.2.1.6).
      new SubjectAlternativeNameExtension([...dns, ...ip], true),
      await AuthorityKeyIdentifierExtension.create(issuer.keys.publicKey),
    ],
  });
}

/** A CSR in DER with its keys. */
export async function createCsr(names: readonly string[]): Promise<{ csr: Uint8Array; keys: CryptoKeyPair }> {
  const keys = await createKeys();
  const request = await Pkcs10CertificateRequestGenerator.create({
    keys,
    signingAlgorithm: KEY,
    extensions: [
      new SubjectAlternativeNameExtension(
        names.map((value) => ({ type: isIP(value) ? ('ip' as const) : ('dns' as const), value })),
      ),
    ],
  });
  return { csr: new Uint8Array(request.rawData), keys };
}

/** PEM of a private key. */
export async function privateKeyPem({ privateKey }: CryptoKeyPair): Promise<string> {
  const body = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----\n`;
}

/** Key and certificate of a TLS server on 127.0.0.1, and the root that vouches for it. */
export async function createServerIdentity(): Promise<{ key: string; cert: string; roots: string }> {
  const issuer = await createIssuer('Loopback Root');
  const keys = await createKeys();
  const leaf = await createLeaf({ issuer, names: ['localhost'], ips: ['127.0.0.1'], publicKey: keys.publicKey });
  return { key: await privateKeyPem(keys), cert: leaf.toString('pem'), roots: issuer.certificate.toString('pem') };
}
