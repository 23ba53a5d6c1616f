/** What becomes of a command whose question is not answered. */
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createIssuer, createKeys, createLeaf, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { startOnTerminal } from './transcripts/transcript.builders.ts';

const temporary = temporaryFolder();
const site = { folder: temporary.path, known: new Map<string, string>() };
afterAll(() => temporary.remove());

const tmux = requirePart('tmux');
describe.skipIf(tmux.skip)(tmux.title('a passphrase that is asked for'), () => {
  test.each([
    ['C-c', 'CERTBUS_CLI_INTERRUPTED'],
    ['C-d', 'CERTBUS_CLI_DECLINED'],
  ])('can be refused by %s, which is not an error of the program', async (key, code) => {
    const { publicKey } = await createKeys();
    const leaf = await createLeaf({ issuer: await createIssuer('Root'), names: ['a.test'], publicKey });
    const cipher = { cipher: 'aes-256-cbc', passphrase: 'open sesame' };
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const encrypted = privateKey.export({ type: 'pkcs8', format: 'pem', ...cipher });
    writeFileSync(join(site.folder, 'a.pem'), `${leaf.toString('pem')}\n${encrypted}`);
    await using terminal = await startOnTerminal(site, 80, ['cert', 'import', 'a.pem']);
    await terminal.waitFor('Passphrase of the private key:');
    await terminal.press(key);
    expect(await terminal.ended()).toBe(130);
    expect(await terminal.screen()).toContain(code);
  });
});
