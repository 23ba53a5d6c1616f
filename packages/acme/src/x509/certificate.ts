/** Reads and checks what a CA issued. */
import { X509Certificate } from 'node:crypto';
import { AcmeError } from '../errors.ts';
import { canonicalName } from '../order/identifier.ts';
import { isSameNames } from '../order/order.ts';
import { textOf } from '../wire/json.ts';
import { commonNameOf, fingerprintOf, type NamedChain, orderChain } from './chain.ts';
import { childOf } from './der.ts';

const MAX_CERTIFICATES = 10;
const DAY_MS = 86_400_000;

function refused(names: readonly string[], why: string, cause?: unknown): AcmeError {
  const message = `The certificate for ${names.join(', ')} is refused: ${why}. Nothing was published; ask the CA.`;
  return new AcmeError('CERTBUS_ACME_CERTIFICATE_REFUSED', message, { cause });
}

/** Public key that a CSR (PKCS#10, DER) asks a certificate for, as SPKI. Throws `TypeError` where it is not a CSR. */
export function publicKeyOfCsr(csr: Uint8Array): Uint8Array {
  try {
    // RFC 2986 §4.1: the third field of the first of three.
    return childOf(csr, 0, 2).whole;
  } catch (cause) {
    throw new TypeError('The CSR is not PKCS#10 in DER', { cause });
  }
}

const BEGIN = '-----BEGIN CERTIFICATE-----';
const END = '-----END CERTIFICATE-----';

/** PEM blocks, found without a pattern that a hostile text could keep busy. */
function blocksOf(pem: string): string[] {
  return pem
    .split(BEGIN)
    .slice(1)
    .map((rest) => `${BEGIN}${rest.slice(0, Math.max(0, rest.indexOf(END)))}${END}`);
}

function parseChain(pem: string, names: readonly string[]): X509Certificate[] {
  const blocks = blocksOf(pem);
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

function checkNames(leaf: X509Certificate, { names, acceptExtraNames = false }: ChainExpectation): void {
  const found = namesOf(leaf);
  const held = new Set(found.map(canonicalName));
  const isFit = acceptExtraNames ? names.every((name) => held.has(canonicalName(name))) : isSameNames(found, names);
  if (!isFit) throw refused(names, `it is for ${textOf(found.slice(0, 20).join(', '), 1000) || 'no name'}`);
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
  /** Whether the leaf's public key (SPKI, DER) is accepted. What it throws says nothing of the chain, and is passed on. */
  readonly acceptKey: (spki: Uint8Array) => boolean;
  readonly now: Date;
  /** Whether the CA may add names of its own. Default false. */
  readonly acceptExtraNames?: boolean;
}

/**
 * Reads what a CA issued and checks it: exactly the names asked for, an accepted key, links that verify, dates that make sense. The
 * chain is put in order, and its root left out. Throws `CERTBUS_ACME_CERTIFICATE_REFUSED`.
 */
export function parseCertificate(pem: unknown, expectation: ChainExpectation): NamedChain {
  let own: { readonly cause: unknown } | undefined;
  const acceptKey = (spki: Uint8Array) => {
    try {
      return expectation.acceptKey(spki);
    } catch (cause) {
      own = { cause };
      throw cause;
    }
  };
  try {
    return readChain(pem, { ...expectation, acceptKey });
  } catch (cause) {
    if (cause instanceof AcmeError || own) throw cause;
    // A certificate can parse, and its key not.
    throw refused(expectation.names, 'the chain cannot be verified', cause);
  }
}

function readChain(pem: unknown, expectation: ChainExpectation): NamedChain {
  const { names, acceptKey, now } = expectation;
  const isOurs = (each: X509Certificate) => acceptKey(each.publicKey.export({ format: 'der', type: 'spki' }));
  const certificates = parseChain(typeof pem === 'string' ? pem : '', names);
  const ours = certificates.find(isOurs);
  const leaf = ours ?? (certificates[0] as X509Certificate);
  checkNames(leaf, expectation);
  if (!ours) throw refused(names, 'its key is not ours');
  if (leaf.ca) throw refused(names, 'it is a CA itself');
  const others = certificates.filter((each) => each !== leaf);
  const { issuers, strangers } = orderChain(leaf, others);
  const [stranger] = strangers;
  if (stranger)
    throw refused(names, `"${commonNameOf(stranger.subject)}" came with it and signed nothing in its chain`);
  checkDates(leaf, now, names);
  return {
    leaf: leaf.raw,
    issuers: issuers.map(({ raw }) => raw),
    rootName: commonNameOf((issuers.at(-1) ?? leaf).issuer),
    fingerprints: others.map(fingerprintOf),
  };
}
