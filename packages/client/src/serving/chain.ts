/** A certificate's chain in PEM, as a TLS server sends it. */
import type { IssuedCertificate } from '@certbus/events';

/** Of a fleet's authorities a handful is in use. */
const MAX_ISSUERS = 100;

const LINE = 64;

/** PEM (RFC 7468) of a certificate in DER, base64. By slices: a regular expression costs seven times as much, at every cold handshake. */
function toPem(base64: string): string {
  let lines = '';
  for (let at = 0; at < base64.length; at += LINE) lines += `${base64.slice(at, at + LINE)}\n`;
  return `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`;
}

/** Makes what puts chains together: leaf first, then its issuers, without the root. `issuer` gives one as DER, by its hash. */
export function createChains(
  issuer: (hash: string) => Uint8Array | undefined,
): (issued: Pick<IssuedCertificate, 'leaf' | 'issuers'>) => string {
  /** By hash: what a hash stands for never changes. */
  const known = new Map<string, string>();

  function issuerPem(hash: string): string {
    const kept = known.get(hash);
    if (kept !== undefined) return kept;
    const der = issuer(hash);
    if (!der) return '';
    if (known.size >= MAX_ISSUERS) known.clear();
    const pem = toPem(Buffer.from(der).toString('base64'));
    known.set(hash, pem);
    return pem;
  }

  return ({ leaf, issuers }) => toPem(leaf) + issuers.map(issuerPem).join('');
}
