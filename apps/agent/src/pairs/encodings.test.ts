import { createPrivateKey, KeyObject, type webcrypto, X509Certificate } from 'node:crypto';
import { sha256 } from '@certbus/events';
import { createIssuer, createLeaf } from 'certbus-services';
import { expect, test } from 'vitest';
import { chainPem, issuersPem, keyPem, leafPem } from './encodings.ts';
import { checkPair } from './pair.ts';

const issuer = await createIssuer('Issuer');
const EXPONENT = new Uint8Array([1, 0, 1]);

test.each([
  [
    'RSA',
    { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2_048, publicExponent: EXPONENT, hash: 'SHA-256' },
    'RSA PRIVATE KEY',
  ],
  ['P-256', { name: 'ECDSA', namedCurve: 'P-256' }, 'EC PRIVATE KEY'],
  ['P-384', { name: 'ECDSA', namedCurve: 'P-384' }, 'EC PRIVATE KEY'],
  // It has no other form than PKCS#8.
  ['Ed25519', { name: 'Ed25519' }, 'PRIVATE KEY'],
] as const)(
  'a key of %s is written in its own form where that is asked for, and belongs to its leaf',
  async (_, algorithm, label) => {
    const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as webcrypto.CryptoKeyPair;
    const leaf = await createLeaf({ issuer, names: ['a.test'], publicKey: keys.publicKey });
    const own = [leaf, issuer.certificate].map((each) => `${each.toString('pem')}\n`).join('');
    const key = KeyObject.from(keys.privateKey).export({ type: 'pkcs8', format: 'pem' }).toString();
    const issued = { names: ['a.test'], leafHash: sha256(Buffer.from(leaf.rawData)) };
    const pair = checkPair({ certificateId: 'one', issued, cert: own, key }, { now: new Date() });
    const certificate = new X509Certificate(leafPem(pair));
    for (const [encoding, expected] of [
      ['pkcs8', 'PRIVATE KEY'],
      ['traditional', label],
    ] as const) {
      const pem = keyPem(pair, encoding);
      expect(pem.match(/-----[^-]+-----/g)).toEqual([`-----BEGIN ${expected}-----`, `-----END ${expected}-----`]);
      // RFC 7468 section 2: no line has more than 64 characters.
      expect(pem.split('\n').filter((line) => line.length > 64)).toEqual([]);
      expect(certificate.checkPrivateKey(createPrivateKey(pem))).toBe(true);
    }
    expect(keyPem(pair)).toBe(keyPem(pair, 'pkcs8'));
    expect(chainPem(pair)).toBe(leafPem(pair) + issuersPem(pair));
    expect(new X509Certificate(issuersPem(pair)).raw).toEqual(Buffer.from(issuer.certificate.rawData));
  },
);
