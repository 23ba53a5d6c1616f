import { expect, test } from 'vitest';
import { checkOrigin, parseDirectory, parseDirectoryUrl } from './directory.ts';

const directory = 'https://ca.test/directory';
const fields = { newNonce: 'https://ca.test/n', newAccount: 'https://ca.test/a', newOrder: 'https://ca.test/o' };

const failureOf = (run: () => unknown): { readonly code: string; readonly message: string } => {
  try {
    run();
  } catch (error) {
    return error as { code: string; message: string };
  }
  throw new Error('nothing was refused');
};

test.each([
  'https://user:secret-word@ca.test/account/1',
  'https://secret-word@ca.test/order/1',
  'https://:secret-word@ca.test/',
])('a URL of a CA with a user name or password in it is refused and not shown: %s', (url) => {
  for (const refused of [
    failureOf(() => checkOrigin(url, directory)),
    failureOf(() => parseDirectory({ ...fields, newOrder: url }, directory)),
    failureOf(() => parseDirectory({ ...fields, keyChange: url }, directory)),
  ]) {
    expect(refused.code).toBe('CERTBUS_ACME_NOT_ACME');
    expect(refused.message).toMatch(/user name or password/);
    expect(refused.message).not.toContain('secret-word');
  }
  const own = failureOf(() => parseDirectoryUrl(url));
  expect(own.code).toBe('CERTBUS_ACME_DIRECTORY_INVALID');
  expect(own.message).not.toContain('secret-word');
});

test('a directory that is not a URL is shown without what may be a password', () => {
  expect(failureOf(() => parseDirectoryUrl('https://user:secret-word@ca.test:port/')).message).not.toContain(
    'secret-word',
  );
});

test('a URL at the same origin is taken as it is', () => {
  expect(checkOrigin('https://ca.test/account/1', directory)).toBe('https://ca.test/account/1');
});
