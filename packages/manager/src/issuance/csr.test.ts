/** Tests of keys and their CSRs. */
import 'reflect-metadata';

import { createPublicKey } from 'node:crypto';
import { createIdentity, KEY_TYPES, open, parseIdentityFile } from '@certbus/events';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { expect, test } from 'vitest';
import { createCsrWithKey, publicKeyOf } from './csr.ts';
import { parseKeyType } from './key-type.ts';

const identityFile = await createIdentity();
const { identity, recipient } = await parseIdentityFile(identityFile);
const bus = { recipients: [{ name: 'edge', recipient }], recipientsPosition: 7 };
const names = ['192.0.2.7', '2001:db8::1', '*.a.test', 'a.test'];

test.each(KEY_TYPES)('a %s key signs its CSR, which has all names in its SAN and no subject', async (keyType) => {
  const csr = await createCsrWithKey({ names, keyType }, bus);
  const request = new Pkcs10CertificateRequest(Buffer.from(csr.csr, 'base64'));
  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe('');
  const [extension, ...others] = request.extensions;
  expect(others).toEqual([]);
  const san = new SubjectAlternativeNameExtension(extension?.rawData ?? new Uint8Array()).names.toJSON();
  expect(san.map(({ value }) => value)).toEqual(names);
  expect(san.map(({ type }) => type)).toEqual(['ip', 'ip', 'dns', 'dns']);
  const sealed = createPublicKey(await open(csr.sealedKey, identity));
  expect(sealed.export({ type: 'spki', format: 'der' })).toEqual(publicKeyOf(csr));
  const { namedCurve = '', modulusLength } = sealed.asymmetricKeyDetails ?? {};
  const curves: Readonly<Record<string, string>> = { prime256v1: 'P-256', secp384r1: 'P-384' };
  expect(curves[namedCurve] ?? `RSA-${modulusLength}`).toBe(keyType);
  expect(csr.recipientsPosition).toBe(7);
});

test('where nobody chose, the key is P-256, and every CSR has its own', async () => {
  const [one, other] = [await createCsrWithKey({ names }, bus), await createCsrWithKey({ names }, bus)];
  const key = createPublicKey({ key: Buffer.from(publicKeyOf(one)), format: 'der', type: 'spki' });
  expect(key.asymmetricKeyDetails?.namedCurve).toBe('prime256v1');
  expect(publicKeyOf(one)).not.toEqual(publicKeyOf(other));
});

test('a CA that wants a common name has one', async () => {
  const { csr } = await createCsrWithKey({ names }, bus, { commonName: 'first' });
  expect(new Pkcs10CertificateRequest(Buffer.from(csr, 'base64')).subject).toBe('CN=*.a.test');
});

test('a key type is read in any case', () => {
  expect(['p-256', 'P-384', 'rsa-2048', ' RSA-4096 '].map(parseKeyType)).toEqual([
    'P-256',
    'P-384',
    'RSA-2048',
    'RSA-4096',
  ]);
});

test.each([
  ['P-521', /public CAs refuse P-521/],
  ['secp521r1', /public CAs refuse P-521/],
  ['RSA-1024', /"RSA-1024" is not known\. Choose one of P-256, P-384, RSA-2048, RSA-3072, RSA-4096/],
  ['ed25519', /is not known/],
])('%s is refused with the reason', (text, reason) => {
  expect(() => parseKeyType(text)).toThrow(reason);
  expect(() => parseKeyType(text)).toThrow(expect.objectContaining({ code: 'CERTBUS_MANAGER_KEY_TYPE_REFUSED' }));
});
