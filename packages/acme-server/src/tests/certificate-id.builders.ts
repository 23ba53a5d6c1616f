/** Names a certificate as renewal information does, read from its DER. */
import { x509 } from '../server/x509.ts';

/** Name of a certificate in renewal information, read from the certificate itself (RFC 9773 section 4.1). */
export function certificateId(leaf: Uint8Array): string {
  const certificate = new x509.X509Certificate(new Uint8Array(leaf));
  const keyIdentifier = certificate.getExtension(x509.AuthorityKeyIdentifierExtension)?.keyId ?? '';
  // The library leaves out the zero byte with which DER keeps an integer positive.
  const serial = certificate.serialNumber.replace(/^(?=[89a-f])/i, '00');
  const base64url = (hex: string) => Buffer.from(hex, 'hex').toString('base64url');
  return `${base64url(keyIdentifier)}.${base64url(serial)}`;
}
