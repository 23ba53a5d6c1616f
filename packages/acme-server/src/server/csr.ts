/** Reads and checks certificate requests. */
import { createPublicKey } from 'node:crypto';
import type { Identifier } from './identifier.ts';
import { setKey } from './identifier-policy.ts';
import { ProblemDocument } from './problem-document.ts';
import { thumbprintOf, weaknessOf } from './public-key.ts';
import type { Account } from './records.ts';
import { x509 } from './x509.ts';

const SUBJECT_ALTERNATIVE_NAME = '2.5.29.17';
/** id-pe-tlsfeature (RFC 7633), which asks for OCSP Must-Staple. */
const TLS_FEATURE = '1.3.6.1.5.5.7.1.24';
const HASHES = new Set(['SHA-256', 'SHA-384', 'SHA-512']);

function refuse(why: string): never {
  throw new ProblemDocument('badCSR', `The CSR is refused: ${why}`);
}

function parse(der: Buffer): x509.Pkcs10CertificateRequest {
  try {
    return new x509.Pkcs10CertificateRequest(new Uint8Array(der));
  } catch {
    return refuse('it is not PKCS#10 in DER');
  }
}

async function checkSignature(csr: x509.Pkcs10CertificateRequest): Promise<void> {
  const { hash } = csr.signatureAlgorithm;
  if (!HASHES.has(hash?.name)) refuse(`it is signed with ${hash?.name ?? 'an unknown hash'}`);
  const isGenuine = await csr.verify().catch(() => false);
  if (!isGenuine) refuse('its signature does not verify');
}

function identifiersOf(csr: x509.Pkcs10CertificateRequest): Identifier[] {
  const extension = csr.extensions.find(({ type }) => type === SUBJECT_ALTERNATIVE_NAME);
  if (!extension) return refuse('it has no subject alternative name');
  const { names } = new x509.SubjectAlternativeNameExtension(extension.rawData);
  return names.items.map(({ type, value }) => {
    if (type !== 'dns' && type !== 'ip') return refuse(`it asks for a name of kind ${type}`);
    return { type, value: value.toLowerCase() };
  });
}

function checkCommonName(csr: x509.Pkcs10CertificateRequest, identifiers: readonly Identifier[]): void {
  const commonNames = csr.subjectName.getField('CN');
  if (commonNames.length > 1) refuse('it has more than one common name');
  for (const commonName of commonNames) {
    const same = identifiers.find(({ value }) => value === commonName.toLowerCase());
    if (same?.type === 'ip') refuse('its common name is an IP address');
    if (!same) refuse(`its common name "${commonName}" is not among the alternative names`);
  }
}

async function check(
  der: Buffer,
  ordered: readonly Identifier[],
  accounts: readonly Account[],
): Promise<Uint8Array<ArrayBuffer>> {
  const csr = parse(der);
  await checkSignature(csr);
  const identifiers = identifiersOf(csr);
  checkCommonName(csr, identifiers);
  if (setKey(identifiers) !== setKey(ordered)) {
    throw new ProblemDocument('unauthorized', 'The names of the CSR are not those of the order');
  }
  if (csr.extensions.some(({ type }) => type === TLS_FEATURE)) refuse('Must-Staple is not supported any more');
  const spki = new Uint8Array(csr.publicKey.rawData);
  const key = createPublicKey({ key: Buffer.from(spki), format: 'der', type: 'spki' });
  const weakness = weaknessOf(key);
  if (weakness) refuse(weakness);
  const thumbprint = thumbprintOf(key);
  if (accounts.some(({ publicKey }) => publicKey.thumbprint === thumbprint)) refuse('its key is an account key');
  return spki;
}

/**
 * Checks a CSR against the identifiers of its order (RFC 8555 §7.4, §11.1) and gives its public key, SPKI in DER. Throws `unauthorized` for
 * other names, as Boulder and Pebble do, and `badCSR`, also for what Let's Encrypt refuses: weak keys, an address as common name,
 * Must-Staple.
 */
export async function checkCsr(
  der: Buffer,
  ordered: readonly Identifier[],
  accounts: readonly Account[],
): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await check(der, ordered, accounts);
  } catch (error) {
    if (error instanceof ProblemDocument) throw error;
    // The libraries throw what they like at what they cannot read.
    return refuse('it holds something that does not parse');
  }
}
