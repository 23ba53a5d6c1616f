/** The names of certificates in renewal information (RFC 9773 §4.1). */
import { decodeBase64Url } from './base64url.ts';
import { malformed } from './problem-document.ts';

/** A certificate as renewal information names it, taken apart. */
export interface ParsedCertificateId {
  /** base64url. */
  readonly keyIdentifier: string;
  /** Hexadecimal, as in the DER. */
  readonly serial: string;
}

/** Name of a certificate (RFC 9773 §4.1). */
export function certificateIdOf(keyIdentifier: string, serial: string): string {
  return `${keyIdentifier}.${Buffer.from(serial, 'hex').toString('base64url')}`;
}

/** Takes the name of a certificate apart. Throws `malformed`. */
export function parseCertificateId(text: string): ParsedCertificateId {
  const [keyIdentifier, serial, ...rest] = text.split('.');
  if (rest.length > 0 || !keyIdentifier || !serial) throw malformed(`"${text}" is not the name of a certificate`);
  decodeBase64Url(keyIdentifier, 'The key identifier');
  return { keyIdentifier, serial: decodeBase64Url(serial, 'The serial number').toString('hex') };
}
