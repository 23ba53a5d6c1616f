/** Which CA of the configuration `--authority` means. */
import { expect, test } from 'vitest';
import { authorityOf } from './authority-flag.ts';

const { signal } = new AbortController();

function typed(authority: string | undefined, ...names: string[]) {
  const manager = {
    refresh: async () => {},
    authorities: async () => names.map((name) => ({ name, directory: `https://${name}.test/directory` })),
  };
  return authorityOf(manager, authority, { signal });
}

test.each([
  [undefined, undefined],
  ['ca', 'ca'],
  ['letsencrypt', 'letsencrypt'],
  ['production', 'letsencrypt'],
  ['staging', 'staging'],
])('%s is %s', async (authority, expected) => {
  expect(await typed(authority, 'ca', 'letsencrypt', 'staging')).toBe(expected);
});

test.each([
  ['letsencrpt', 'No authority of the configuration fits --authority "letsencrpt". Did you mean "letsencrypt"?'],
  ['staging', 'No authority of the configuration fits --authority "staging". There are: ca, letsencrypt.'],
])('%s, which the configuration does not have, is refused', async (authority, message) => {
  await expect(typed(authority, 'ca', 'letsencrypt')).rejects.toMatchObject({ code: 'CERTBUS_CLI_NO_MATCH', message });
});
