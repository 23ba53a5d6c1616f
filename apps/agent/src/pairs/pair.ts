/** A certificate with its private key, checked before a balancer sees it. */
import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { sha256 } from '@certbus/events';
import { AgentError } from '../errors.ts';

/** A certificate and its key that belong together and can be served now. */
export interface Pair {
  readonly certificateId: string;
  /** Host names as A-labels and IP addresses, as the certificate has them. */
  readonly names: readonly string[];
  /** SHA-256 of the leaf's DER, base64url. */
  readonly leafHash: string;
  readonly notAfter: Date;
  /** DER, leaf first, then its issuers, without the root. Pairs of one issuer share its bytes. */
  readonly chain: readonly Uint8Array[];
  /** PKCS#8, DER. */
  readonly key: Uint8Array;
}

/** What a pair is made of, as `Material` of `@certbus/client` has it. */
export interface UncheckedPair {
  readonly certificateId: string;
  readonly issued: { readonly names: readonly string[]; readonly leafHash: string };
  /** PEM, leaf first. */
  readonly cert: string;
  /** PEM, PKCS#8. */
  readonly key: string;
}

const PEM_BLOCK = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** A certificate that was parsed, with what is asked of it for each leaf. */
interface Parsed {
  readonly certificate: X509Certificate;
  readonly der: Uint8Array;
}

/** Of a fleet's authorities a handful is in use. */
const MAX_ISSUERS = 100;
/** Issuers that were parsed, by their text, each with its key. */
const issuers = new Map<string, Parsed & { readonly publicKey: KeyObject }>();

function parse(block: string): Parsed {
  const certificate = new X509Certificate(block);
  return { certificate, der: certificate.raw };
}

function issuerIn(block: string) {
  const known = issuers.get(block);
  if (known) return known;
  if (issuers.size >= MAX_ISSUERS) issuers.clear();
  const parsed = parse(block);
  const issuer = { ...parsed, publicKey: parsed.certificate.publicKey };
  issuers.set(block, issuer);
  return issuer;
}

/** A chain: the leaf, and what stands behind it. */
interface Chain {
  readonly leaf: Parsed | undefined;
  readonly issuers: readonly (Parsed & { readonly publicKey: KeyObject })[];
}

function parseChain(pem: string): Chain {
  const [leaf, ...behind] = pem.match(PEM_BLOCK) ?? [];
  return { leaf: leaf === undefined ? undefined : parse(leaf), issuers: behind.map(issuerIn) };
}

/** Host names that a certificate has, in lower case. */
function hostsOf({ subjectAltName = '' }: X509Certificate): ReadonlySet<string> {
  return new Set(subjectAltName.split(', ').map((entry) => entry.replace(/^DNS:/, '').toLowerCase()));
}

/** The first of some names that a certificate does not have. An address has many spellings, so the certificate is asked for it. */
function missingName(leaf: X509Certificate, names: readonly string[]): string | undefined {
  const hosts = hostsOf(leaf);
  return names.find((name) => (isIP(name) === 0 ? !hosts.has(name.toLowerCase()) : leaf.checkIP(name) === undefined));
}

/** What is wrong with a chain: each certificate has to be issued by the one behind it. */
function faultOfChain(leaf: Parsed, behind: Chain['issuers']): string | undefined {
  const broken = [leaf, ...behind].findIndex(({ certificate }, index) => {
    const issuer = behind[index];
    return issuer && !(certificate.checkIssued(issuer.certificate) && certificate.verify(issuer.publicKey));
  });
  return broken < 0 ? undefined : `certificate ${broken + 1} of its chain was not issued by the next one`;
}

/** By what it is judged whether a pair is valid. */
export interface Instants {
  readonly now: Date;
  /** What begins before then has begun, whatever the clock of this machine says: the newest commit was made by then. Default {@link Instants.now}. */
  readonly begun?: Date | undefined;
}

function faultOf(
  { issued }: UncheckedPair,
  { chain, key }: { readonly chain: Chain; readonly key: KeyObject },
  { now, begun = now }: Instants,
): string | undefined {
  if (!chain.leaf) return 'it holds no certificate';
  const { certificate: leaf, der } = chain.leaf;
  if (sha256(der) !== issued.leafHash) return 'its first certificate is not the one that the bus names';
  if (!leaf.checkPrivateKey(key)) return 'its private key belongs to another certificate';
  if (leaf.validFromDate > now && leaf.validFromDate > begun)
    return `it is valid from ${leaf.validFromDate.toISOString()} on`;
  if (leaf.validToDate <= now) return `it expired on ${leaf.validToDate.toISOString()}`;
  const missing = missingName(leaf, issued.names);
  if (missing !== undefined) return `it is not for ${missing}`;
  return faultOfChain(chain.leaf, chain.issuers);
}

function parsePair({ certificateId, cert, key }: UncheckedPair): { readonly chain: Chain; readonly key: KeyObject } {
  try {
    return { chain: parseChain(cert), key: createPrivateKey(key) };
  } catch {
    // What the parser says of a key may show a part of it.
    const what = `Certificate ${certificateId} is not handed to any balancer: its chain or its private key does not parse.`;
    throw new AgentError('CERTBUS_AGENT_PAIR_REFUSED', what);
  }
}

/**
 * Checks that key and certificate belong together, that the chain holds, and that it is valid now for the names that the bus says.
 * Throws `CERTBUS_AGENT_PAIR_REFUSED`: some balancers end, or write the key into their log, where a pair is wrong.
 */
export function checkPair(unchecked: UncheckedPair, instants: Instants): Pair {
  const { certificateId, issued } = unchecked;
  const parsed = parsePair(unchecked);
  const fault = faultOf(unchecked, parsed, instants);
  if (fault !== undefined) {
    const what = `Certificate ${certificateId} (${issued.names.join(', ')}) is not handed to any balancer: ${fault}.`;
    throw new AgentError('CERTBUS_AGENT_PAIR_REFUSED', what);
  }
  const { leaf, issuers: behind } = parsed.chain;
  const { names, leafHash } = issued;
  return {
    ...{ certificateId, names, leafHash },
    notAfter: leaf?.certificate.validToDate ?? instants.now,
    chain: [leaf, ...behind].flatMap((each) => each?.der ?? []),
    key: parsed.key.export({ type: 'pkcs8', format: 'der' }),
  };
}
