/** Certificate chains: their order, their names, and which one is preferred. */
import { createHash, type X509Certificate } from 'node:crypto';
import { textOf } from '../wire/json.ts';

/** A leaf and the intermediates that lead to its root, all DER. */
export interface Chain {
  readonly leaf: Uint8Array;
  readonly issuers: readonly Uint8Array[];
}

/** A chain, and what a preference can name it by. */
export interface NamedChain extends Chain {
  /** Common name of the root that it leads to, which is the issuer of its last certificate; empty where that has none. */
  readonly rootName: string;
  /** SHA-256 of each issuer that the CA sent, its root included where it came along; hexadecimal. */
  readonly fingerprints: readonly string[];
}

/** A chain in order. */
export interface OrderedChain {
  /** From what issued the leaf upwards, without the root. */
  readonly issuers: readonly X509Certificate[];
  /** Certificates that are part of no chain. */
  readonly strangers: readonly X509Certificate[];
}

function isIssuedBy(subject: X509Certificate, issuer: X509Certificate): boolean {
  if (!issuer.ca || !subject.checkIssued(issuer)) return false;
  try {
    return subject.verify(issuer.publicKey);
  } catch {
    // A certificate can parse, and its key be of a kind that this Node does not know.
    return false;
  }
}

function hasSameKey(one: X509Certificate, other: X509Certificate): boolean {
  try {
    return one.publicKey.equals(other.publicKey);
  } catch {
    return false;
  }
}

const isRoot = (certificate: X509Certificate) => isIssuedBy(certificate, certificate);

/**
 * Puts what came with a leaf in order, each verified by the next (RFC 8555 §9.1 has them so, not every CA does). Roots are left out:
 * those who trust them have them. So is another certificate of a key that stands in the chain already.
 */
export function orderChain(leaf: X509Certificate, others: readonly X509Certificate[]): OrderedChain {
  const issuers: X509Certificate[] = [];
  let rest = [...new Map(others.map((each) => [each.fingerprint256, each])).values()];
  for (let subject = leaf; ; ) {
    const candidates = rest.filter((each) => isIssuedBy(subject, each));
    const next = candidates.find((each) => !isRoot(each));
    if (!next) break;
    issuers.push(next);
    rest = rest.filter((each) => each !== next);
    subject = next;
  }
  const isKnown = (each: X509Certificate) => issuers.some((issuer) => hasSameKey(issuer, each));
  return { issuers, strangers: rest.filter((each) => !isRoot(each) && !isKnown(each)) };
}

/** Common name in a distinguished name as Node writes it, a line for each part; fit to print. */
export function commonNameOf(distinguishedName: string): string {
  const line = distinguishedName.split('\n').find((each) => each.startsWith('CN='));
  return textOf(line?.slice(3), 200) ?? '';
}

/** SHA-256 of a certificate, hexadecimal. */
export function fingerprintOf({ raw }: X509Certificate): string {
  return createHash('sha256').update(raw).digest('hex');
}

/** Whether a chain is what is preferred: a root's common name, or the fingerprint of an issuer, colons or not. */
export function isPreferred({ rootName, fingerprints }: NamedChain, preference: string): boolean {
  const bare = preference.replaceAll(':', '').toLowerCase();
  return preference === rootName || (/^[0-9a-f]{64}$/.test(bare) && fingerprints.includes(bare));
}
