import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { readPassword } from './files/password.ts';
import { readToken } from './nginx/token.ts';

test.each([
  ['password', readPassword],
  ['token', async (path: string) => readToken(path)],
])('a folder in the place of the file of a %s is named as one, without advice about modes', async (_, read) => {
  const { path, remove } = temporaryFolder();
  onTestFinished(remove);
  const folder = join(path, 'secret');
  mkdirSync(folder);
  const error: unknown = await read(folder).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'CERTBUS_AGENT_CONFIG_INVALID',
    message: expect.stringContaining('is a folder'),
  });
  expect(String(error)).not.toContain('chmod');
});
