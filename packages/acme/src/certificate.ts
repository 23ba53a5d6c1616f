import { X509Certificate } from 'node:crypto';
import { childOf } from './der.ts';
import { AcmeError } from './errors.ts';
import { isSameNames } from './order.ts';

/** A leaf and the intermediates that lead to its root, all DER. */
export interface Chain {
  readonly leaf: Uint8Array;
  readonly issuers: readonly Uint8Array[];
}

const MAX_CERTIFICATES = 10;
const DAY_MS = 86_400_000;

function refused(names: readonly string[], why: string, cause?: unknown): AcmeError {
  const message = `The certificate for ${names.join(', ')} is refused: ${why}. Nothing was published; ask the CA.`;
  return new AcmeError('CERTBUS_ACME_CERTIFICATE_REFUSED', message, { cause });
}

/** Public key that a CSR (PKCS#10, DER) asks a certificate for, as SPKI. Throws `TypeError` where it is no CSR. */
export function publicKeyOfCsr(csr: Uint8Array): Uint8Array {
  try {
    // RFC 2986 §4.1: the third field of the first of three.
    return childOf(csr, 0, 2).whole;
  } catch (cause) {
    throw new TypeError('The CSR is not PKCS#10 in DER', { cause });
  }
}

function parseChain(pem: string, names: readonly string[]): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\sA-Za-z0-9+/=]+-----END CERTIFICATE-----/g) ?? [];
  if (blocks.length === 0) throw refused(names, 'the answer holds no certificate');
  if (blocks.length > MAX_CERTIFICATES) throw refused(names, `the chain has ${blocks.length} certificates`);
  try {
    return blocks.map((block) => new X509Certificate(block));
  } catch (cause) {
    throw refused(names, 'the chain does not parse', cause);
  }
}

function namesOf(leaf: X509Certificate): string[] {
  const entries = leaf.subjectAltName?.split(', ') ?? [];
  // An entry of any other kind keeps its prefix, and so matches no name.
  return entries.map((entry) => entry.replace(/^(DNS|IP Address):/, ''));
}

function checkLinks(chain: readonly X509Certificate[], names: readonly string[]): void {
  chain.slice(1).forEach((issuer, index) => {
    const subject = chain[index];
    if (!subject?.checkIssued(issuer) || !subject.verify(issuer.publicKey)) {
      throw refused(names, `certificate ${index + 1} of the chain was not signed by the next one`);
    }
  });
}

function checkDates({ validFromDate, validToDate }: X509Certificate, now: Date, names: readonly string[]): void {
  const [from, to] = [validFromDate.getTime(), validToDate.getTime()];
  if (to <= now.getTime() || to <= from || from > now.getTime() + DAY_MS) {
    const dates = `valid from ${validFromDate.toISOString()} to ${validToDate.toISOString()}`;
    throw refused(names, `it is ${dates}, and here it is ${now.toISOString()}; check this machine's clock`);
  }
}

/** What a chain must match. */
export interface ChainExpectation {
  readonly names: readonly string[];
  /** Whether the leaf's public key (SPKI, DER) is one of ours. */
  readonly acceptKey: (spki: Uint8Array) => boolean;
  readonly now: Date;
}

/**
 * Reads what a CA issued and checks it: exactly the names asked for, a key of ours, links that verify, dates that make sense.
 * Throws `CERTBUS_ACME_CERTIFICATE_REFUSED`.
 */
export function parseCertificate(pem: unknown, { names, acceptKey, now }: ChainExpectation): Chain {
  const chain = parseChain(typeof pem === 'string' ? pem : '', names);
  const [leaf, ...issuers] = chain as [X509Certificate, ...X509Certificate[]];
  const found = namesOf(leaf);
  if (!isSameNames(found, names)) throw refused(names, `it is for ${found.slice(0, 20).join(', ') || 'no name'}`);
  if (!acceptKey(leaf.publicKey.export({ format: 'der', type: 'spki' }))) throw refused(names, 'its key is not ours');
  checkLinks(chain, names);
  checkDates(leaf, now, names);
  return { leaf: leaf.raw, issuers: issuers.map(({ raw }) => raw) };
}
