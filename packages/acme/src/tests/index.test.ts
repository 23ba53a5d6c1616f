import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { type Acme, AcmeError, createAcme, generateAccountKey, readDirectory, registerAccount } from '../index.ts';
import { engineOf } from '../wire/handles.ts';
import { startScriptedCa } from './scripted-ca.builders.ts';

const loadedFrom = (packages: RegExp) =>
  Object.keys(createRequire(import.meta.url).cache).filter((path) => packages.test(path));

test('importing the package and naming a CA loads no ACME library and no HTTP client, and reading its directory no ACME library; the first request that is signed does', async () => {
  const { signal } = new AbortController();
  await using server = await startScriptedCa();
  const ca = createAcme({ directory: server.directory, accountKey: await generateAccountKey() });
  expect(loadedFrom(/\/node_modules\/(acme-client|undici|@aws-sdk|@smithy)\//)).toEqual([]);
  await readDirectory(ca, { signal });
  expect(loadedFrom(/\/node_modules\/acme-client\//)).toEqual([]);
  await registerAccount(ca, { termsOfServiceAgreed: true, signal });
  expect(loadedFrom(/\/acme-client\/src\/api\.js$/)).toHaveLength(1);
  expect(loadedFrom(/\/node_modules\/(axios|node-forge|@aws-sdk|@smithy)\//)).toEqual([]);
  await ca.close();
});

test('what only looks like a CA is refused', async () => {
  const alike = { directory: 'https://ca.test/directory', async close() {} } as Acme;
  await expect(readDirectory(alike, { signal: new AbortController().signal })).rejects.toThrow(TypeError);
});

test('a connection that was closed is not used again', async () => {
  const ca = createAcme({ directory: 'https://ca.test/directory', accountKey: await generateAccountKey() });
  await ca.close();
  await expect(engineOf(ca).open({ signal: new AbortController().signal })).rejects.toThrow(TypeError);
});

test('errors are told apart by class and code', () => {
  const error = new AcmeError('CERTBUS_ACME_DEADLINE', 'too late', { notBefore: new Date(0), cause: 'x' });
  expect(error).toMatchObject({ name: 'AcmeError', code: 'CERTBUS_ACME_DEADLINE', notBefore: new Date(0), cause: 'x' });
});
