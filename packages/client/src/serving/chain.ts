/** A certificate's chain in PEM, as a TLS server sends it. */
import type { IssuedCertificate } from '@certbus/events';

function toPem(der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

/** Leaf first, then its issuers, without the root. */
export function chainOf(
  { leaf, issuers }: IssuedCertificate,
  issuer: (hash: string) => Uint8Array | undefined,
): string {
  const above = issuers.map(issuer).filter((der) => der !== undefined);
  return [Buffer.from(leaf, 'base64'), ...above].map(toPem).join('');
}
