/** Tests of reading keys: an error names the file or the variable that the text is from. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  createBusId,
  createManagerKey,
  createRootKey,
  formatTrust,
  parseManagerKey,
  parseRootKey,
} from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { environmentOf, readParsedKey } from './environment.ts';
import { readLocalConfig } from './local-config.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (name: string) => join(folder.path, name);
writeFileSync(at('bus.pub'), `${formatTrust({ busId: createBusId(), rootKey: createBusId() })}\n`);
writeFileSync(at('root.key'), createRootKey(), { mode: 0o600 });
const fields = { bus: 'sqlite:./bus.db#test', trust: 'bus.pub', managerKey: 'root.key', rootKey: 'root.key' };
writeFileSync(at('certbus.json'), JSON.stringify(fields));

function environment(variables: Readonly<Record<string, string>>) {
  return environmentOf(readLocalConfig({ file: undefined, env: variables, cwd: folder.path }), { variables });
}

test.each([
  ['the configuration', {}, `${at('root.key')}: This is not a manager key`],
  ['a variable of a file', { CERTBUS_MANAGER_KEY_FILE: at('bus.pub') }, `${at('bus.pub')}: This is not a manager key`],
  [
    'a variable of the text',
    { CERTBUS_MANAGER_KEY: at('root.key') },
    'CERTBUS_MANAGER_KEY: This is not a manager key: it needs a line that begins with CERTBUS-SIGNING-KEY-1-. Was another file given? The variable has the text of a key; CERTBUS_MANAGER_KEY_FILE names a file.',
  ],
])('a text that is not the key is named by its place: %s', async (_, variables, message) => {
  await expect(
    readParsedKey(environment(variables as Record<string, string>), 'managerKey', { parse: parseManagerKey }),
  ).rejects.toMatchObject({ code: 'CERTBUS_EVENTS_KEY_MALFORMED', message: expect.stringContaining(message) });
});

test('a key is read from its file, or the variable before that', async () => {
  const text = await createManagerKey();
  const { signer } = await readParsedKey(environment({ CERTBUS_MANAGER_KEY: text }), 'managerKey', {
    parse: parseManagerKey,
  });
  expect(signer.publicKey).toBe(parseManagerKey(text).signer.publicKey);
  const root = await readParsedKey(environment({}), 'rootKey', { parse: parseRootKey });
  expect(root.publicKey).toMatch(/^[\w-]{43}$/);
});
