/** The certificates that the CA signs with: roots, intermediates, and the leaves below them. */
import { randomBytes, type webcrypto } from 'node:crypto';
import type { Identifier } from './identifier.ts';
import { x509 } from './x509.ts';

type CryptoKeyPair = webcrypto.CryptoKeyPair;

/** What roots and intermediates sign with. */
export type KeyAlgorithm = 'ecdsa' | 'rsa';

/** What a hierarchy looks like. */
export interface HierarchyOptions {
  /** Of its own keys, not of what it certifies. */
  readonly keyAlgorithm: KeyAlgorithm;
  /** How many roots vouch for it: the first is the default, each other one gives an alternate chain. */
  readonly roots: number;
  /** How many intermediates stand between a root and a leaf; at least 1. */
  readonly intermediates: number;
  readonly now: Date;
}

/** A leaf to be signed. */
export interface LeafRequest {
  /** SPKI in DER. */
  readonly publicKey: Uint8Array<ArrayBuffer>;
  readonly identifiers: readonly Identifier[];
  readonly notBefore: Date;
  readonly notAfter: Date;
}

/** A signed leaf. */
export interface SignedLeaf {
  /** Hexadecimal, as in the DER. */
  readonly serial: string;
  readonly leaf: Buffer;
  /** PEM chains, the default one first, each without its root. */
  readonly chains: readonly string[];
}

/** A hierarchy as it can be kept. The keys of all but the issuing certificate sign nothing once it is made, and are not in it. */
export interface HierarchyMaterial {
  readonly keyAlgorithm: KeyAlgorithm;
  /** PEM, the default root first. */
  readonly roots: readonly string[];
  /** PEM certificates between each root and a leaf, the issuing one first. */
  readonly tails: readonly string[];
  /** Private key of the issuing certificate, PKCS #8 in PEM. */
  readonly issuingKey: string;
}

/** Roots, intermediates, and what they sign. */
export interface Hierarchy {
  /** PEM, the default root first. */
  readonly roots: readonly string[];
  /** Key identifier of the issuing certificate, base64url: first half of every name in renewal information. */
  readonly keyIdentifier: string;
  sign(request: LeafRequest): Promise<SignedLeaf>;
}

const ALGORITHM = {
  ecdsa: { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' },
  rsa: {
    name: 'RSASSA-PKCS1-v1_5',
    modulusLength: 2048,
    publicExponent: new Uint8Array([1, 0, 1]),
    hash: 'SHA-256',
  },
} as const;
const DAY_MS = 86_400_000;
const ROOT_YEARS = 20;
const INTERMEDIATE_YEARS = 10;
/** Server authentication, and nothing else: as at Let's Encrypt since 2026-02-11. */
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
/** Domain validated, CA/Browser Forum. */
const DOMAIN_VALIDATED = '2.23.140.1.2.1';

interface Signer {
  readonly name: string;
  readonly keys: CryptoKeyPair;
  readonly certificate: x509.X509Certificate;
}

/** Sixteen random bytes after one that is not zero. Every second number has its top bit set, so that DER puts a zero before it. */
function createSerial(nth: number): string {
  const [first = 0, ...rest] = randomBytes(17);
  const lead = nth % 2 === 0 ? first | 0x80 : (first & 0x7f) | 0x01;
  return Buffer.from([lead, ...rest]).toString('hex');
}

function generateKeys(algorithm: KeyAlgorithm): Promise<CryptoKeyPair> {
  return crypto.subtle.generateKey(ALGORITHM[algorithm], true, ['sign', 'verify']);
}

async function certify(
  { name, keys }: Omit<Signer, 'certificate'>,
  parent: Signer | undefined,
  { now, years, algorithm }: { readonly now: Date; readonly years: number; readonly algorithm: KeyAlgorithm },
): Promise<Signer> {
  const { KeyUsageFlags } = x509;
  const signer = parent ?? { name, keys };
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: createSerial(1),
    subject: `CN=${name}, O=CertBus tests`,
    issuer: `CN=${signer.name}, O=CertBus tests`,
    notBefore: new Date(now.getTime() - DAY_MS),
    notAfter: new Date(now.getTime() + years * 365 * DAY_MS),
    publicKey: keys.publicKey,
    signingKey: signer.keys.privateKey,
    signingAlgorithm: ALGORITHM[algorithm],
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ...(parent ? [await x509.AuthorityKeyIdentifierExtension.create(signer.keys.publicKey)] : []),
    ],
  });
  return { name, keys, certificate };
}

function alternativeNames(identifiers: readonly Identifier[]): x509.SubjectAlternativeNameExtension {
  // RFC 5280 §4.2.1.6: critical, because the subject is empty.
  return new x509.SubjectAlternativeNameExtension(
    identifiers.map(({ type, value }) => ({ type, value })),
    true,
  );
}

const pemOf = (certificate: x509.X509Certificate) => `${certificate.toString('pem').trim()}\n`;

/** Makes the intermediates, the lowest first. The topmost is signed by each root, and so comes once for each. */
async function createIntermediates(
  roots: readonly Signer[],
  { intermediates, keyAlgorithm, now }: HierarchyOptions,
  label: string,
) {
  const lifetime = { now, years: INTERMEDIATE_YEARS, algorithm: keyAlgorithm };
  const named = async (depth: number) => ({
    name: `Intermediate ${depth} ${label}`,
    keys: await generateKeys(keyAlgorithm),
  });
  const top = await named(1);
  const crossSigned = await Promise.all(roots.map((root) => certify(top, root, lifetime)));
  const below: Signer[] = [];
  for (let depth = 2; depth <= intermediates; depth += 1) {
    below.unshift(await certify(await named(depth), below[0] ?? crossSigned[0], lifetime));
  }
  return { crossSigned, below };
}

/** What signs leaves. */
interface Issuer {
  readonly certificate: x509.X509Certificate;
  readonly privateKey: webcrypto.CryptoKey;
}

/** Signs a leaf. */
async function signLeaf(
  { certificate, privateKey }: Issuer,
  { publicKey, identifiers, notBefore, notAfter }: LeafRequest,
  { serialNumber, algorithm }: { readonly serialNumber: string; readonly algorithm: KeyAlgorithm },
): Promise<x509.X509Certificate> {
  return x509.X509CertificateGenerator.create({
    serialNumber,
    subject: '',
    issuer: certificate.subjectName,
    notBefore,
    notAfter,
    publicKey,
    signingKey: privateKey,
    signingAlgorithm: ALGORITHM[algorithm],
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.ExtendedKeyUsageExtension([SERVER_AUTH]),
      new x509.CertificatePolicyExtension([DOMAIN_VALIDATED]),
      await x509.AuthorityKeyIdentifierExtension.create(certificate.publicKey),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
      alternativeNames(identifiers),
    ],
  });
}

const pkcs8Pem = async (key: webcrypto.CryptoKey) =>
  x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

/** Makes roots and intermediates with keys of their own. */
export async function createHierarchyMaterial(options: HierarchyOptions): Promise<HierarchyMaterial> {
  const { keyAlgorithm, now } = options;
  const label = randomBytes(3).toString('hex');
  const rootLifetime = { now, years: ROOT_YEARS, algorithm: keyAlgorithm };
  const rootNames = Array.from({ length: options.roots }, (_, index) => `Root ${index + 1} ${label}`);
  const roots = await Promise.all(
    rootNames.map(async (name) => certify({ name, keys: await generateKeys(keyAlgorithm) }, undefined, rootLifetime)),
  );
  const { crossSigned, below } = await createIntermediates(roots, options, label);
  const issuer = below[0] ?? crossSigned[0];
  if (!issuer) throw new TypeError('A hierarchy needs at least one root');
  return {
    keyAlgorithm,
    roots: roots.map(({ certificate }) => pemOf(certificate)),
    tails: crossSigned.map((signer) => [...below, signer].map(({ certificate }) => pemOf(certificate)).join('\n')),
    issuingKey: await pkcs8Pem(issuer.keys.privateKey),
  };
}

async function openIssuer({ keyAlgorithm, tails, issuingKey }: HierarchyMaterial): Promise<Issuer> {
  const [pkcs8 = new ArrayBuffer()] = x509.PemConverter.decode(issuingKey);
  const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, ALGORITHM[keyAlgorithm], false, ['sign']);
  return { certificate: new x509.X509Certificate(x509.PemConverter.decodeFirst(tails[0] ?? '')), privateKey };
}

/** Signs with what was made, or kept. */
export async function openHierarchy(material: HierarchyMaterial): Promise<Hierarchy> {
  const { roots, tails, keyAlgorithm: algorithm } = material;
  const issuer = await openIssuer(material);
  const { keyId = '' } = await x509.AuthorityKeyIdentifierExtension.create(issuer.certificate.publicKey);
  let issued = 0;
  return {
    roots,
    keyIdentifier: Buffer.from(keyId, 'hex').toString('base64url'),
    async sign(request) {
      const serialNumber = createSerial(issued);
      issued += 1;
      const certificate = await signLeaf(issuer, request, { serialNumber, algorithm });
      const leaf = pemOf(certificate);
      return {
        serial: Number.parseInt(serialNumber.slice(0, 2), 16) > 0x7f ? `00${serialNumber}` : serialNumber,
        leaf: Buffer.from(certificate.rawData),
        chains: tails.map((tail) => `${leaf}\n${tail}`),
      };
    },
  };
}

/** Makes what vouches for the server's own HTTPS address, and for nothing else. */
export function createTlsMaterial(): Promise<HierarchyMaterial> {
  return createHierarchyMaterial({ keyAlgorithm: 'ecdsa', roots: 1, intermediates: 1, now: new Date() });
}

/** PEM key and certificate of the server's own HTTPS address on loopback, valid for a year, and the root that vouches for it alone. */
export async function createServerCertificate(
  material: HierarchyMaterial,
): Promise<{ key: string; certificate: string; root: string }> {
  const hierarchy = await openHierarchy(material);
  const keys = await generateKeys('ecdsa');
  const { chains } = await hierarchy.sign({
    publicKey: new Uint8Array(await crypto.subtle.exportKey('spki', keys.publicKey)),
    identifiers: [
      { type: 'dns', value: 'localhost' },
      { type: 'ip', value: '127.0.0.1' },
    ],
    notBefore: new Date(Date.now() - DAY_MS),
    notAfter: new Date(Date.now() + 365 * DAY_MS),
  });
  return { key: await pkcs8Pem(keys.privateKey), certificate: chains[0] ?? '', root: hierarchy.roots[0] ?? '' };
}
