/** How the public halves of keys are read, as people hand them over. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIdentity, createManagerKey, parseIdentityFile, parseManagerKey } from '@certbus/events';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { publicHalvesOf, recipientOf } from './public-halves.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const { recipient } = await parseIdentityFile(await createIdentity());
const capitals = recipient.toUpperCase();

function fileWith(text: string): string {
  const file = join(folder.path, 'key.pub');
  writeFileSync(file, text);
  return file;
}

test.each([
  ['as it is', recipient],
  ['in capitals', capitals],
  ['with spaces around it', ` ${recipient} `],
])('a recipient that is given %s is one in small letters', (_, given) => {
  expect(recipientOf({ file: undefined, recipient: given })).toBe(recipient);
});

test('a recipient in capitals is read from a file', () => {
  expect(recipientOf({ file: fileWith(`# public key: ${capitals}\r\n`), recipient: undefined })).toBe(recipient);
});

test('one with some capitals is left as it is, and refused when it is used', () => {
  const mixed = `${recipient.slice(0, -1)}${recipient.slice(-1).toUpperCase()}A`;
  expect(recipientOf({ file: undefined, recipient: mixed })).toBe(mixed);
});

test("a manager's recipient in capitals is one in small letters, too", async () => {
  const key = parseManagerKey(await createManagerKey());
  const signingKey = key.signer.publicKey;
  const own = { signingKey, recipient: (await parseIdentityFile(key.identity)).recipient };
  const given = { signingKey, recipient: own.recipient.toUpperCase() };
  expect(await publicHalvesOf({ file: undefined, ...given })).toEqual(own);
  const file = fileWith(`# signing key: ${signingKey}\n# recipient: ${given.recipient}\n`);
  expect(await publicHalvesOf({ file, signingKey: undefined, recipient: undefined })).toEqual(own);
});
