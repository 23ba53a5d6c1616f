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
  /** Leaf first, then its issuers, without the root. */
  readonly chain: readonly X509Certificate[];
  readonly key: KeyObject;
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

function parseChain(pem: string): X509Certificate[] {
  return (pem.match(PEM_BLOCK) ?? []).map((block) => new X509Certificate(block));
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
function faultOfChain(chain: readonly X509Certificate[]): string | undefined {
  const broken = chain.findIndex((certificate, index) => {
    const issuer = chain[index + 1];
    return issuer !== undefined && !(certificate.checkIssued(issuer) && certificate.verify(issuer.publicKey));
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
  { chain, key }: Pick<Pair, 'chain' | 'key'>,
  { now, begun = now }: Instants,
): string | undefined {
  const [leaf] = chain;
  if (!leaf) return 'it holds no certificate';
  if (sha256(leaf.raw) !== issued.leafHash) return 'its first certificate is not the one that the bus names';
  if (!leaf.checkPrivateKey(key)) return 'its private key belongs to another certificate';
  if (leaf.validFromDate > now && leaf.validFromDate > begun)
    return `it is valid from ${leaf.validFromDate.toISOString()} on`;
  if (leaf.validToDate <= now) return `it expired on ${leaf.validToDate.toISOString()}`;
  const missing = missingName(leaf, issued.names);
  if (missing !== undefined) return `it is not for ${missing}`;
  return faultOfChain(chain);
}

function parse({ certificateId, cert, key }: UncheckedPair): Pick<Pair, 'chain' | 'key'> {
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
  const parsed = parse(unchecked);
  const fault = faultOf(unchecked, parsed, instants);
  if (fault !== undefined) {
    const what = `Certificate ${certificateId} (${issued.names.join(', ')}) is not handed to any balancer: ${fault}.`;
    throw new AgentError('CERTBUS_AGENT_PAIR_REFUSED', what);
  }
  const [leaf] = parsed.chain;
  const { names, leafHash } = issued;
  return { certificateId, names, leafHash, notAfter: leaf?.validToDate ?? instants.now, ...parsed };
}
