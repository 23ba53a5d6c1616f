import { expect, onTestFinished, test, vi } from 'vitest';
import {
  createIdentity,
  createManagerKey,
  createRootKey,
  isSignatureOf,
  parseIdentityFile,
  parseManagerKey,
  parseRootKey,
} from './keys.ts';
import { createBusId, formatTrust, parseTrust } from './trust.ts';

test('keys come back from their files, also with \\n written as two characters', async () => {
  const text = await createManagerKey();
  const key = parseManagerKey(text);
  expect(parseManagerKey(text.replaceAll('\n', '\\n')).identity).toBe(key.identity);
  expect(text).toContain(`# signing key: ${key.signer.publicKey}`);
  expect(parseRootKey(createRootKey()).publicKey).toMatch(/^[\w-]{43}$/);
  const file = await createIdentity();
  expect(file).toContain(`# public key: ${(await parseIdentityFile(file)).recipient}`);
});

test('a signing key has a public half that no command line takes for a flag', async () => {
  const draw = vi.spyOn(crypto, 'getRandomValues');
  onTestFinished(() => draw.mockRestore());
  // Public keys of seeds of nothing but 41 begin with a dash, and of nothing but 9 with a low line.
  for (const byte of [41, 9])
    draw.mockImplementationOnce((array) => {
      (array as unknown as Uint8Array).fill(byte);
      return array;
    });
  const { signer } = parseManagerKey(await createManagerKey());
  expect(signer.publicKey).toBe('_RckOFqgx1tk-3jNYC-h2ZH96_drE8WO1wLqyDXp9hg');
});

test('a signature is checked against its key, its message and its bytes', () => {
  const key = parseRootKey(createRootKey());
  const other = parseRootKey(createRootKey());
  const message = Buffer.from('message');
  const signature = key.sign(message);
  expect(isSignatureOf(key.publicKey, message, signature)).toBe(true);
  expect(isSignatureOf(other.publicKey, message, signature)).toBe(false);
  expect(isSignatureOf(key.publicKey, Buffer.from('massage'), signature)).toBe(false);
  expect(isSignatureOf(key.publicKey, message, signature.subarray(1))).toBe(false);
});

// RFC 8032 section 7.1, test 2.
test('the published Ed25519 vector verifies', () => {
  const publicKey = Buffer.from('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c', 'hex').toString(
    'base64url',
  );
  const signature = Buffer.from(
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00',
    'hex',
  );
  expect(isSignatureOf(publicKey, Buffer.from('72', 'hex'), signature)).toBe(true);
});

test('a file that is not the key asked for is refused without quoting it', async () => {
  const root = createRootKey();
  const identity = await createIdentity();
  const secret = root.split('\n').find((line) => line.startsWith('CERTBUS-ROOT')) ?? '';
  for (const run of [
    () => parseManagerKey(root),
    () => parseRootKey(identity),
    () => parseManagerKey(''),
    () => parseRootKey('hello'),
  ]) {
    expect(run).toThrow(expect.objectContaining({ code: 'CERTBUS_EVENTS_KEY_MALFORMED' }));
    expect(run).not.toThrow(secret.slice(-20));
  }
  await expect(parseIdentityFile(root)).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_KEY_MALFORMED' });
  await expect(parseIdentityFile(identity.slice(0, -5))).rejects.toMatchObject({
    code: 'CERTBUS_EVENTS_KEY_MALFORMED',
  });
});

test('a file with two keys of a kind is refused, and one that says a key twice is not', async () => {
  const [old, next] = [await createIdentity(), await createIdentity()];
  const refused = { code: 'CERTBUS_EVENTS_KEY_MALFORMED', message: expect.stringContaining('2 lines') };
  await expect(parseIdentityFile(`${old}${next}`)).rejects.toMatchObject(refused);
  await expect(parseIdentityFile(`${old}${old}`)).resolves.toEqual(await parseIdentityFile(old));
  const [root, other] = [createRootKey(), createRootKey()];
  expect(() => parseRootKey(`${root}${other}`)).toThrow(expect.objectContaining(refused));
});

test('a trust line comes back, and anything else is refused with its form', () => {
  const trust = { busId: createBusId(), rootKey: parseRootKey(createRootKey()).publicKey };
  expect(parseTrust(`${formatTrust(trust)}\n`)).toEqual(trust);
  for (const text of ['', 'certbus2 a b', formatTrust(trust).slice(0, -1), `${formatTrust(trust)} more`]) {
    expect(() => parseTrust(text)).toThrow(/certbus1 BUSID ROOTKEY/);
  }
});
