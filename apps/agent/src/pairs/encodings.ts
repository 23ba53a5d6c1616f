/** The forms in which balancers read a pair. All are written from DER, so that no line of another's text gets through. */
import type { X509Certificate } from 'node:crypto';
import type { Pair } from './pair.ts';

/**
 * How a private key is written: `pkcs8` (`BEGIN PRIVATE KEY`), which every balancer reads, or `traditional` (`BEGIN RSA PRIVATE KEY` of
 * PKCS#1, `BEGIN EC PRIVATE KEY` of SEC 1) for programs that know nothing else. Keys without such a form, Ed25519, are written as PKCS#8.
 */
export type KeyEncoding = 'pkcs8' | 'traditional';

const LINE = /.{1,64}/g;

function toPem({ raw }: X509Certificate): string {
  const lines = raw.toString('base64').match(LINE) ?? [];
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`;
}

const TRADITIONAL = { rsa: 'pkcs1', ec: 'sec1' } as const;

const isTraditional = (type: string | undefined): type is keyof typeof TRADITIONAL =>
  type !== undefined && Object.hasOwn(TRADITIONAL, type);

/** The leaf in PEM. */
export const leafPem = ({ chain }: Pair): string => chain.slice(0, 1).map(toPem).join('');

/** The leaf's issuers in PEM. */
export const issuersPem = ({ chain }: Pair): string => chain.slice(1).map(toPem).join('');

/** Leaf and issuers in PEM. */
export const chainPem = ({ chain }: Pair): string => chain.map(toPem).join('');

/** The private key in PEM. */
export function keyPem({ key }: Pair, encoding: KeyEncoding = 'pkcs8'): string {
  const { asymmetricKeyType: type } = key;
  const form = encoding === 'traditional' && isTraditional(type) ? TRADITIONAL[type] : 'pkcs8';
  return key.export({ type: form, format: 'pem' }).toString();
}
