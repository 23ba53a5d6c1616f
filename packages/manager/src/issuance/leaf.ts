/** Reads what a manager needs to know of a leaf certificate. */
import { X509Certificate } from 'node:crypto';
import { certificateId } from '@certbus/acme';
import type { IssuedCertificate, ManagedCertificate } from '@certbus/events';
import type { IssuedContent } from '../decide/issuance.ts';

/** The content of a leaf, with the chain and the names that it was issued with. */
export function readLeaf(
  { raw, serialNumber, validFromDate, validToDate }: X509Certificate,
  { issuers, names }: Pick<IssuedContent, 'issuers' | 'names'>,
): IssuedContent {
  return { leaf: raw, issuers, names, serialNumber, notBefore: validFromDate, notAfter: validToDate };
}

/** What is told of a leaf on the bus. */
type Told = Pick<IssuedCertificate, 'leaf' | 'serialNumber' | 'notAfter'>;

/**
 * Serial number and end of a leaf as it has them itself: what a manager whose key was stolen wrote beside it can be those of another. What is no
 * certificate has what was written.
 */
export function ownFacts({ leaf, serialNumber, notAfter }: Told): {
  readonly serialNumber: string;
  readonly notAfter: Date;
} {
  try {
    const own = new X509Certificate(Buffer.from(leaf, 'base64'));
    return { serialNumber: own.serialNumber, notAfter: own.validToDate };
  } catch {
    return { serialNumber, notAfter: new Date(notAfter) };
  }
}

/** The public key of a leaf, SPKI in DER. */
export function publicKeyOfLeaf({ publicKey }: X509Certificate): Buffer {
  return publicKey.export({ format: 'der', type: 'spki' });
}

/** Whether RFC 9773 can name a leaf (DER): not one without an authority key identifier. */
export const isNameable = (leaf: Uint8Array): boolean => identify(leaf) !== undefined;

function identify(leaf: Uint8Array): string | undefined {
  try {
    return certificateId(leaf);
  } catch (error) {
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

/** RFC 9773 identifier of what a renewal replaces; `undefined` where no CA here issued it, or where it cannot be named. */
export function replacedBy({ current }: ManagedCertificate): string | undefined {
  return current?.directory === undefined ? undefined : identify(Buffer.from(current.leaf, 'base64'));
}
