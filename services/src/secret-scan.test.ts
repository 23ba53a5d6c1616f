/** Tests that a secret is found however it is written. */
import { createPrivateKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { findSecrets, secretsOfKey, secretText } from './secret-scan.ts';

const pemOf = ({ privateKey }: { readonly privateKey: KeyObject }): string =>
  privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const pems = {
  ecdsa: pemOf(generateKeyPairSync('ec', { namedCurve: 'P-256' })),
  rsa: pemOf(generateKeyPairSync('rsa', { modulusLength: 2048 })),
  ed25519: pemOf(generateKeyPairSync('ed25519')),
};
const derOf = (pem: string) => createPrivateKey(pem).export({ type: 'pkcs8', format: 'der' });
const jwkOf = (pem: string) => createPrivateKey(pem).export({ format: 'jwk' });

/** Ways to write a key, each by the name of what it writes. */
const WRITERS: readonly (readonly [string, (pem: string) => string])[] = [
  ['PEM', (pem) => pem],
  ['PEM in JSON', (pem) => JSON.stringify({ pem })],
  ['DER', (pem) => derOf(pem).toString('latin1')],
  ['hexadecimal', (pem) => derOf(pem).toString('hex')],
  ['hexadecimal in capitals', (pem) => derOf(pem).toString('hex').toUpperCase()],
  ['base64 behind one byte', (pem) => Buffer.concat([Buffer.from('a'), derOf(pem)]).toString('base64')],
  ['base64 behind two bytes', (pem) => Buffer.concat([Buffer.from('ab'), derOf(pem)]).toString('base64')],
  ['base64url behind one byte', (pem) => Buffer.concat([Buffer.from('a'), derOf(pem)]).toString('base64url')],
  ['JWK', (pem) => JSON.stringify(jwkOf(pem))],
  ['what Node prints of the bytes', (pem) => inspect(Buffer.from(String(jwkOf(pem).d), 'base64url'))],
  ['a JSON of the bytes', (pem) => JSON.stringify(derOf(pem), undefined, 2)],
  ['numbers', (pem) => inspect(new Uint8Array(derOf(pem)), { maxArrayLength: null })],
];

test.each(
  Object.entries(pems).flatMap(([name, pem]) => WRITERS.map(([how, write]) => [name, how, pem, write] as const)),
)('the secret of a key (%s) is found in %s', (name, _, pem, write) => {
  const text = `before ${write(pem)} behind`;
  expect(findSecrets(text, secretsOfKey(name, pem))).not.toEqual([]);
  expect(findSecrets(text, secretsOfKey('other', pemOf(generateKeyPairSync('ed25519'))))).toEqual([]);
});

test('what is public of a key gives nothing away', () => {
  for (const [name, pem] of Object.entries(pems)) {
    const { d: _d, p: _p, q: _q, dp: _dp, dq: _dq, qi: _qi, ...open } = jwkOf(pem);
    expect(findSecrets(JSON.stringify(open), secretsOfKey(name, pem))).toEqual([]);
  }
});

test('a text is found as it is, and encoded', () => {
  const secret = secretText('the line', 'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ');
  const encoded = Buffer.from('x AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ').toString('base64');
  expect(findSecrets('it is AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQ', [secret])).toEqual(['the line, as bytes']);
  expect(findSecrets(encoded, [secret])).toEqual(['the line, as base64 at 2']);
});
