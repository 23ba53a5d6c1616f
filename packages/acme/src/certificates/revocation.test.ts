import { createCsr } from 'certbus-services';
import { expect, test } from 'vitest';
import { generateAccountKey, revoke } from '../index.ts';
import { obtainFor, startStrictCa } from '../tests/strict-ca.builders.ts';

const signal = new AbortController().signal;

async function pemOf({ privateKey }: Awaited<ReturnType<typeof createCsr>>['keys']): Promise<string> {
  const der = Buffer.from(await crypto.subtle.exportKey('pkcs8', privateKey)).toString('base64');
  return `-----BEGIN PRIVATE KEY-----\n${der}\n-----END PRIVATE KEY-----\n`;
}

async function prepare() {
  const ca = await startStrictCa();
  const account = await ca.openRegistered();
  const names = ['a.test'];
  const { csr, keys } = await createCsr(names);
  const { leaf } = await obtainFor(account, names, { csr });
  const revoked: number[] = [];
  ca.server.on('revocation', ({ reason }) => void revoked.push(reason));
  return { ...ca, account, leaf, revoked, certificateKey: await pemOf(keys) };
}

test.each([
  ['unspecified', 0],
  ['keyCompromise', 1],
  ['superseded', 4],
  ['cessationOfOperation', 5],
] as const)('an account revokes its certificate as %s', async (reason, code) => {
  const { account, leaf, revoked } = await prepare();
  expect(await revoke(account, leaf, { reason, signal })).toEqual({ wasRevoked: false });
  expect(revoked).toEqual([code]);
});

test('the key of the certificate revokes it, without any account', async () => {
  const { open, leaf, revoked, certificateKey } = await prepare();
  const stranger = open({ accountKey: await generateAccountKey() });
  await revoke(stranger, leaf, { reason: 'keyCompromise', certificateKey, signal });
  expect(revoked).toEqual([1]);
});

test('what is revoked already is a success, also where the first answer was lost', async () => {
  const { account, leaf, revoked, server } = await prepare();
  server.faults.inject({ kind: 'drop', when: 'after' }, { resource: 'revokeCert' });
  expect(await revoke(account, leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: true });
  expect(await revoke(account, leaf, { reason: 'superseded', signal })).toEqual({ wasRevoked: true });
  expect(revoked).toEqual([4]);
  expect(server.requests.filter(({ nonceState }) => nonceState === 'replayed')).toEqual([]);
});

test('another account may not, and hears so', async () => {
  const { openRegistered, leaf } = await prepare();
  const stranger = await openRegistered({ accountKey: await generateAccountKey() });
  await expect(revoke(stranger, leaf, { reason: 'unspecified', signal })).rejects.toMatchObject({
    code: 'CERTBUS_ACME_PROBLEM',
    problem: { status: 403 },
  });
});

test('a key of something else is refused before any request', async () => {
  const { account, leaf, server } = await prepare();
  const before = server.requests.length;
  const options = { reason: 'unspecified', certificateKey: await generateAccountKey(), signal } as const;
  await expect(revoke(account, leaf, options)).rejects.toThrow(TypeError);
  const broken = { ...options, certificateKey: 'no key' };
  await expect(revoke(account, leaf, broken)).rejects.toMatchObject({ code: 'CERTBUS_ACME_ACCOUNT_KEY_INVALID' });
  expect(server.requests).toHaveLength(before);
});
