/** Checks a certificate that comes from elsewhere with its private key, before anything of it is sealed or written. */
import { createPublicKey, type KeyObject, type X509Certificate } from 'node:crypto';
import { commonNameOf, orderChain } from '@certbus/acme';
import { MAX_ISSUERS, MAX_NAMES, normalizeNames, SERIAL_NUMBER } from '@certbus/events';
import type { IssuedContent } from '../../decide/issuance.ts';
import { type KeyKind, kindOfLeaf } from '../../decide/key-type.ts';
import { readLeaf } from '../../issuance/leaf.ts';

/** A certificate as it was found, parsed. */
export interface FoundPair {
  readonly leaf: X509Certificate;
  /** What came with it, in any order, roots among them. */
  readonly others: readonly X509Certificate[];
  readonly key: KeyObject;
}

/** A certificate whose key, chain, dates and names are good. */
export interface CheckedPair extends IssuedContent {
  readonly keyKind: KeyKind;
  /** PKCS#8 PEM. */
  readonly key: string;
  /** What its owner should know though it is taken; `undefined` for nothing. */
  readonly note: string | undefined;
}

/** Why a pair is not taken: `refused` where something is wrong with it, `skipped` where it is only of no use any more. */
export interface PairFault {
  readonly outcome: 'refused' | 'skipped';
  readonly why: string;
}

const NAME = /(?:^|, )(?:DNS|IP Address):("(?:[^"\\]|\\.)*"|[^,]*)/g;

/** The host names and addresses of a certificate, as it has them. */
const writtenNames = ({ subjectAltName = '' }: X509Certificate): string[] =>
  [...subjectAltName.matchAll(NAME)].map(([, name = '']) => name);

const refused = (why: string): PairFault => ({ outcome: 'refused', why });

function namesOf(leaf: X509Certificate): readonly string[] | PairFault {
  const written = writtenNames(leaf);
  if (written.length === 0) return refused('it has no host name or address that clients look at (subjectAltName)');
  try {
    const names = normalizeNames(written);
    return names.length > MAX_NAMES
      ? refused(`it has ${names.length} names, and a certificate on the bus has ${MAX_NAMES} at most`)
      : names;
  } catch (error) {
    return refused(`a name in it cannot be served: ${error instanceof Error ? error.message : String(error)}`);
  }
}

/** What events have no room for (`CertificateImported`). */
function faultOfForm({ serialNumber }: X509Certificate, issuers: readonly X509Certificate[]): PairFault | undefined {
  if (!SERIAL_NUMBER.test(serialNumber))
    return refused('its serial number is negative or longer than 32 bytes, and RFC 5280 allows 20');
  if (issuers.length > MAX_ISSUERS)
    return refused(`${issuers.length} issuers came with it, and a certificate on the bus has ${MAX_ISSUERS} at most`);
  return undefined;
}

function faultOfDates({ validFromDate, validToDate }: X509Certificate, now: Date): PairFault | undefined {
  if (validToDate <= now) return { outcome: 'skipped', why: `it ended ${validToDate.toISOString()}` };
  if (validFromDate > now) return refused(`it begins ${validFromDate.toISOString()}, which is in the future here`);
  return undefined;
}

const isSelfSigned = (certificate: X509Certificate) => certificate.checkIssued(certificate);

/** Whether a private key is that of a certificate. */
export function isPair(leaf: X509Certificate, key: KeyObject): boolean {
  try {
    return createPublicKey(key).equals(leaf.publicKey);
  } catch {
    // A certificate can parse, and its key be of a kind that this Node does not know.
    return false;
  }
}

/** Checks that key and certificate belong together, that the chain holds, and that it is valid now for names that can be served. */
export function checkImportedPair({ leaf, others, key }: FoundPair, now: Date): CheckedPair | PairFault {
  if (!isPair(leaf, key)) return refused('its private key belongs to another certificate');
  if (leaf.ca) return refused('it is the certificate of a CA, which no server shows as its own');
  const names = namesOf(leaf);
  if ('why' in names) return names;
  const { issuers, strangers } = orderChain(leaf, others);
  const [stranger] = strangers;
  if (stranger) {
    const name = commonNameOf(stranger.subject) || stranger.serialNumber;
    return refused(`the certificate "${name}" next to it is not part of its chain`);
  }
  const fault = faultOfForm(leaf, issuers) ?? faultOfDates(leaf, now);
  if (fault) return fault;
  const content = readLeaf(leaf, { issuers: issuers.map(({ raw }) => raw), names });
  const isBare = issuers.length === 0 && others.length === 0 && !isSelfSigned(leaf);
  return {
    ...content,
    keyKind: kindOfLeaf(leaf.raw.toString('base64')),
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    note: isBare
      ? `no issuer came with it; clients refuse it unless they have "${commonNameOf(leaf.issuer)}"`
      : undefined,
  };
}
