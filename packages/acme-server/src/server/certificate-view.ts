/** Shows an issued certificate to a test. */
import type { IssuedCertificate } from './records.ts';

/** A certificate that the server issued, for assertions. */
export interface CertificateView {
  /** Hexadecimal, two digits a byte, as in the DER: with the leading zero of a number whose top bit is set. */
  readonly serial: string;
  /** Its name in renewal information and in `replaces` (RFC 9773 §4.1). */
  readonly certificateId: string;
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly profile: string;
  readonly notBefore: Date;
  readonly notAfter: Date;
  /** The leaf in DER. */
  readonly leaf: Buffer;
  /** PEM chains, the default one first. */
  readonly chains: readonly string[];
  readonly isReplaced: boolean;
  readonly revoked: { readonly at: Date; readonly reason: number } | undefined;
}

/** Shows a certificate as it is now. */
export function viewCertificate(certificate: IssuedCertificate): CertificateView {
  const { serial, certificateId, identifiers, profile, notBefore, notAfter, leaf, chains } = certificate;
  const names = identifiers.map(({ value }) => value);
  const isReplaced = certificate.replacedBy !== undefined;
  const { revoked } = certificate;
  return { serial, certificateId, names, profile, notBefore, notAfter, leaf, chains, isReplaced, revoked };
}
