/** The forms in which balancers read a pair. All are written from DER, so that no line of another's text gets through. */
import { createPrivateKey, type KeyObject } from 'node:crypto';
import type { Pair } from './pair.ts';

/**
 * How a private key is written: `pkcs8` (`BEGIN PRIVATE KEY`), which every balancer reads, or `traditional` (`BEGIN RSA PRIVATE KEY` of
 * PKCS#1, `BEGIN EC PRIVATE KEY` of SEC 1) for programs that know nothing else. Keys without such a form, Ed25519, are written as PKCS#8.
 */
export type KeyEncoding = 'pkcs8' | 'traditional';

const LINE = /.{1,64}/g;

function toPem(label: string, der: Uint8Array): string {
  const lines = Buffer.from(der.buffer, der.byteOffset, der.byteLength).toString('base64').match(LINE) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

const certificatePem = (der: Uint8Array): string => toPem('CERTIFICATE', der);

/** The key of a pair, parsed. */
export const keyOf = ({ key }: Pick<Pair, 'key'>): KeyObject =>
  createPrivateKey({ key: Buffer.from(key), format: 'der', type: 'pkcs8' });

const TRADITIONAL = { rsa: 'pkcs1', ec: 'sec1' } as const;

const isTraditional = (type: string | undefined): type is keyof typeof TRADITIONAL =>
  type !== undefined && Object.hasOwn(TRADITIONAL, type);

/** The leaf in PEM. */
export const leafPem = ({ chain }: Pair): string => chain.slice(0, 1).map(certificatePem).join('');

/** Issuers in PEM, by their bytes, which pairs share. */
const issuers = new WeakMap<Uint8Array, string>();

function issuerPem(der: Uint8Array): string {
  const known = issuers.get(der);
  if (known !== undefined) return known;
  const pem = certificatePem(der);
  issuers.set(der, pem);
  return pem;
}

/** The leaf's issuers in PEM. */
export const issuersPem = ({ chain }: Pair): string => chain.slice(1).map(issuerPem).join('');

/** Leaf and issuers in PEM. */
export const chainPem = (pair: Pair): string => leafPem(pair) + issuersPem(pair);

/** The private key in PEM. */
export function keyPem({ key }: Pair, encoding: KeyEncoding = 'pkcs8'): string {
  if (encoding === 'traditional') {
    const parsed = keyOf({ key });
    const { asymmetricKeyType: type } = parsed;
    if (isTraditional(type)) return parsed.export({ type: TRADITIONAL[type], format: 'pem' }).toString();
  }
  return toPem('PRIVATE KEY', key);
}
