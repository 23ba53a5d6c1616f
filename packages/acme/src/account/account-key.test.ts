import { createHash, createPublicKey, ECDH, generateKeyPairSync, verify } from 'node:crypto';
import { expect, test } from 'vitest';
import { flatSignature, signJws } from '../wire/jws.ts';
import { accountThumbprint, generateAccountKey, isAccountKey, readAccountKey, thumbprintOf } from './account-key.ts';

const pem = (type: 'ec' | 'rsa' | 'ed25519', options: object) => {
  const { privateKey } = generateKeyPairSync(type as 'ec', options as { namedCurve: string });
  return privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
};

test('the thumbprint of RFC 7638 §3.1 comes out', () => {
  const n =
    '0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw';
  expect(thumbprintOf({ e: 'AQAB', kty: 'RSA', n })).toBe('NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs');
});

test('a generated key is P-256 and has a stable thumbprint', async () => {
  const key = await generateAccountKey();
  const { jwk, alg } = readAccountKey(key);
  expect(alg).toBe('ES256');
  const members = JSON.stringify(jwk);
  expect(members).toMatch(/^\{"crv":"P-256","kty":"EC","x":"[\w-]{43}","y":"[\w-]{43}"\}$/);
  expect(accountThumbprint(key)).toBe(createHash('sha256').update(members).digest('base64url'));
});

test.each([
  ['ES256', pem('ec', { namedCurve: 'P-256' }), 'sha256'],
  ['ES384', pem('ec', { namedCurve: 'P-384' }), 'sha384'],
  ['RS256', pem('rsa', { modulusLength: 2048 }), 'sha256'],
])('%s signatures verify with the public key in the JWS', (alg, key, hash) => {
  const account = readAccountKey(key);
  const jws = signJws(account, { hello: 1 }, { url: 'https://ca.test/x', nonce: 'n', kid: null });
  const header = JSON.parse(Buffer.from(jws.protected, 'base64url').toString());
  expect(header).toEqual({ alg, nonce: 'n', url: 'https://ca.test/x', jwk: account.jwk });
  const publicKey = createPublicKey({ key: header.jwk, format: 'jwk' });
  const input = Buffer.from(`${jws.protected}.${jws.payload}`);
  const signature = Buffer.from(jws.signature, 'base64url');
  expect(verify(hash, input, { key: publicKey, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
});

test('the numbers of a signature have their full length, whatever DER leaves out or puts in front', () => {
  const short = '01'.padEnd(60, '2');
  const signed = 'f'.padEnd(64, '3');
  const der = Buffer.from(`3043021e${short}022100${signed}`, 'hex');
  expect(flatSignature(der, 32).toString('hex')).toBe(`0000${short}${signed}`);
});

test('POST-as-GET has an empty payload, and an account signs by its URL', async () => {
  const account = readAccountKey(await generateAccountKey());
  const jws = signJws(account, null, { url: 'https://ca.test/x', nonce: 'n', kid: 'https://ca.test/account/1' });
  expect(jws.payload).toBe('');
  expect(JSON.parse(Buffer.from(jws.protected, 'base64url').toString())).toEqual({
    alg: 'ES256',
    nonce: 'n',
    url: 'https://ca.test/x',
    kid: 'https://ca.test/account/1',
  });
});

test.each([
  ['text', 'not a key'],
  ['Ed25519', pem('ed25519', {})],
  ['P-521', pem('ec', { namedCurve: 'P-521' })],
  ['short RSA', pem('rsa', { modulusLength: 1024 })],
])('%s is no account key, and the error shows none of it', (_, key) => {
  const body = key.split('\n')[1] ?? key;
  expect(() => accountThumbprint(key)).toThrow(
    expect.objectContaining({ code: 'CERTBUS_ACME_ACCOUNT_KEY_INVALID', message: expect.not.stringContaining(body) }),
  );
});

const spkiOf = (key: string): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });

/** The same P-256 key, with its point written as one number and a sign. */
function compressed(spki: Buffer): Buffer {
  const point = ECDH.convertKey(spki.subarray(-65), 'prime256v1', undefined, undefined, 'compressed') as Buffer;
  return Buffer.concat([Buffer.from('3039301306072a8648ce3d020106082a8648ce3d030107032200', 'hex'), point]);
}

test.each([
  ['P-256', pem('ec', { namedCurve: 'P-256' })],
  ['P-384', pem('ec', { namedCurve: 'P-384' })],
  ['RSA', pem('rsa', { modulusLength: 2048 })],
])('a %s account key is known by its public half, and no other is taken for it', async (_, key) => {
  const thumbprint = accountThumbprint(key);
  expect(isAccountKey(spkiOf(key), thumbprint)).toBe(true);
  expect(isAccountKey(spkiOf(await generateAccountKey()), thumbprint)).toBe(false);
});

test('an account key is known however a CSR writes its point', async () => {
  const key = await generateAccountKey();
  const spki = spkiOf(key);
  expect(createPublicKey({ key: compressed(spki), type: 'spki', format: 'der' }).equals(createPublicKey(key))).toBe(
    true,
  );
  expect(isAccountKey(compressed(spki), accountThumbprint(key))).toBe(true);
  expect(isAccountKey(compressed(spki), accountThumbprint(await generateAccountKey()))).toBe(false);
});
