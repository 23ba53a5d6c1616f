import { execFileSync } from 'node:child_process';
import { createPrivateKey, generateKeyPairSync, KeyObject, X509Certificate } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSecureContext } from 'node:tls';
import { createIssuer, createKeys, createLeaf, requirePart, temporaryFolder } from 'certbus-services';
import { describe, expect, onTestFinished, test } from 'vitest';
import { encodePkcs12 } from './encode-pkcs12.ts';

const PASSWORD = 'a pass "word" \\ $x';

/** A file of a chain of two, and the pair that it is made of. */
async function createFile() {
  const issuer = await createIssuer('Intermediate', await createIssuer('Root'));
  const keys = await createKeys();
  const leaf = await createLeaf({ issuer, names: ['a.test'], publicKey: keys.publicKey });
  const chain = [leaf, issuer.certificate].map(({ rawData }) => new X509Certificate(Buffer.from(rawData)));
  const key = KeyObject.from(keys.privateKey);
  const { path: folder, remove } = temporaryFolder();
  onTestFinished(remove);
  const file = join(folder, 'a.p12');
  writeFileSync(file, await encodePkcs12({ chain, key, name: 'a.test' }, PASSWORD));
  return { file, chain, key };
}

const read = (program: string, ...args: readonly string[]) =>
  execFileSync(program, args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, PASSWORD },
  });

test('OpenSSL opens it, and reads AES-256 and SHA-256 alone', async () => {
  const { file, chain, key } = await createFile();
  const open = (...more: string[]) => read('openssl', 'pkcs12', '-in', file, '-passin', 'env:PASSWORD', ...more);
  const [leaf, issuer] = chain;
  expect(new X509Certificate(open('-nokeys', '-clcerts')).fingerprint256).toBe(leaf?.fingerprint256);
  expect(new X509Certificate(open('-nokeys', '-cacerts')).fingerprint256).toBe(issuer?.fingerprint256);
  expect(createPrivateKey(open('-nocerts', '-nodes')).equals(key)).toBe(true);
  const told = execFileSync('sh', ['-c', 'openssl pkcs12 -in "$0" -passin env:PASSWORD -info -noout 2>&1', file], {
    encoding: 'utf8',
    env: { ...process.env, PASSWORD },
  });
  expect(told).toContain('MAC: sha256, Iteration 10000');
  expect(told.match(/PBES2, PBKDF2, AES-256-CBC, Iteration 10000, PRF hmacWithSHA256/g)).toHaveLength(2);
});

test('Node takes it with its password, and with no other', async () => {
  const { file } = await createFile();
  const pfx = readFileSync(file);
  expect(() => createSecureContext({ pfx, passphrase: PASSWORD })).not.toThrow();
  expect(() => createSecureContext({ pfx, passphrase: 'wrong' })).toThrow(/mac verify failure/);
});

test('a password that programs read in different ways is refused', async () => {
  const { privateKey: key } = generateKeyPairSync('ed25519');
  for (const password of ['', 'größe', 'a\n'])
    await expect(encodePkcs12({ chain: [], key, name: 'a' }, password)).rejects.toThrow(TypeError);
});

const keytool = requirePart('keytool');

describe.skipIf(keytool.skip)(keytool.title('Java'), () => {
  test('lists it as one key with its chain, under its name', async () => {
    const { file } = await createFile();
    const listed = read('keytool', '-list', '-v', '-keystore', file, '-storepass:env', 'PASSWORD');
    expect(listed).toContain('Alias name: a.test');
    expect(listed).toContain('Entry type: PrivateKeyEntry');
    expect(listed).toContain('Certificate chain length: 2');
  });
});
