import { createRequire } from 'node:module';
import { expect, test } from 'vitest';
import { AcmeError, createAcme, generateAccountKey } from '../index.ts';
import { engineOf } from '../wire/handles.ts';

test('importing the package and naming a CA loads no ACME library, no HTTP client and no AWS SDK', async () => {
  const ca = createAcme({ directory: 'https://ca.test/directory', accountKey: await generateAccountKey() });
  await ca.close();
  const loaded = Object.keys(createRequire(import.meta.url).cache);
  expect(loaded.filter((path) => /\/node_modules\/(acme-client|undici|@aws-sdk|@smithy)\//.test(path))).toEqual([]);
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
