import 'reflect-metadata';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { Pkcs10CertificateRequest, SubjectAlternativeNameExtension } from '@peculiar/x509';
import { describe, expect, test } from 'vitest';
import { publicKeyOfCsr } from './certificate.ts';
import { createCsr } from './csr.ts';

const P256 = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
const P384 = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;

/** What an independent library reads. */
function read(csr: Uint8Array) {
  const request = new Pkcs10CertificateRequest(Buffer.from(csr));
  const extension = request.extensions.find((each) => each instanceof SubjectAlternativeNameExtension);
  const names = extension?.names.toJSON().map(({ type, value }) => `${type} ${value}`);
  return { request, names };
}

describe.each<[string, KeyObject]>([
  ['P-256', P256],
  ['P-384', P384],
  ['RSA', RSA],
])('a request with a key of %s', (_, key) => {
  test('is signed by it, has it inside, and names no subject', async () => {
    const csr = createCsr(['example.test', '*.example.test'], key);
    const { request, names } = read(csr);
    expect(await request.verify()).toBe(true);
    expect(names).toEqual(['dns example.test', 'dns *.example.test']);
    expect(request.subject).toBe('');
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    expect(Buffer.from(publicKeyOfCsr(csr))).toEqual(spki);
  });
});

test.each([
  [['192.0.2.7', `${'a'.repeat(60)}.test`, 'b.test', 'c.test'], 'CN=b.test'],
  [['*.a.test', 'a.test'], 'CN=*.a.test'],
  [['192.0.2.7'], ''],
])('a common name is the first name that can be one', async (wanted, subject) => {
  const { request, names } = read(createCsr(wanted, P256, { commonName: 'first' }));
  expect(await request.verify()).toBe(true);
  expect(request.subject).toBe(subject);
  expect(names).toHaveLength(wanted.length);
});

test('a hundred long names need lengths of several bytes', async () => {
  const label = 'a'.repeat(63);
  const wanted = Array.from({ length: 100 }, (_, n) => `n${n}.${label}.${label}.test`);
  const { request, names } = read(createCsr(wanted, P256));
  expect(await request.verify()).toBe(true);
  expect(names).toEqual(wanted.map((name) => `dns ${name}`));
});

test.each([
  ['192.0.2.7', 'ip 192.0.2.7'],
  ['2001:DB8::1', 'ip 2001:db8::1'],
  ['::', 'ip ::'],
  ['2001:db8:1:2:3:4:5:6', 'ip 2001:db8:1:2:3:4:5:6'],
  ['::ffff:192.0.2.7', 'ip ::ffff:c000:207'],
])('the address %s is a name of its own kind', (address, expected) => {
  expect(read(createCsr([address], P256)).names).toEqual([expected]);
});

test.each([['bücher.test'], ['two words.test'], ['']])('"%s" is refused, since no CA could read it', (name) => {
  expect(() => createCsr([name], P256)).toThrow(TypeError);
});

test('keys that CAs refuse are refused at once', () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  expect(() => createCsr(['example.test'], privateKey)).toThrow(TypeError);
  const short = generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey;
  expect(() => createCsr(['example.test'], short)).toThrow(TypeError);
});
