/** Which key type a managed certificate has: what is managed is a set of names and a key type. */
import { X509Certificate } from 'node:crypto';
import type { KeyType, ManagedCertificate } from '@certbus/events';

/** What a certificate's key is where nobody chose: as CAs advise, and the quickest in a handshake. */
export const DEFAULT_KEY_TYPE: KeyType = 'P-256';

/** A key type, or in words what a certificate that came from elsewhere has instead. */
export type KeyKind = KeyType | 'unknown';

const CURVES: Readonly<Record<string, KeyType>> = { prime256v1: 'P-256', secp384r1: 'P-384' };
const SIZES: Readonly<Record<number, KeyType>> = { 2048: 'RSA-2048', 3072: 'RSA-3072', 4096: 'RSA-4096' };

/** The key type of a leaf, base64 of its DER. */
export function kindOfLeaf(leaf: string): KeyKind {
  try {
    const { asymmetricKeyType, asymmetricKeyDetails = {} } = new X509Certificate(Buffer.from(leaf, 'base64')).publicKey;
    const { namedCurve = '', modulusLength = 0 } = asymmetricKeyDetails;
    const known = asymmetricKeyType === 'rsa' ? SIZES[modulusLength] : CURVES[namedCurve];
    return known ?? 'unknown';
  } catch {
    return 'unknown';
  }
}

/** The key type of a managed certificate. One that came from elsewhere has what its leaf has. */
export function keyKindOf({ keyType, directory, current }: ManagedCertificate): KeyKind {
  if (directory === undefined && current) return kindOfLeaf(current.leaf);
  return keyType ?? DEFAULT_KEY_TYPE;
}

/** The key type of a certificate's renewals, for an imported one that of its leaf; `undefined` for the default, also where no CA takes such a key. */
export function renewedKeyType(certificate: ManagedCertificate): KeyType | undefined {
  const kind = keyKindOf(certificate);
  return kind === 'unknown'
    ? undefined
    : (certificate.keyType ?? (certificate.directory === undefined ? kind : undefined));
}
