/** Tests of commands whose output nobody reads, as `| head` and `| grep -q` leave it: what they write is written, and their status is what it would be. */
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { beginSite } from './begin-site.builders.ts';
import { certbus } from './cli.builders.ts';
import { putEnded } from './site.builders.ts';

const RECIPIENT = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p';
const folder = temporaryFolder();
const site = join(folder.path, 'site');
const at = (line: string, isUnread = false) => certbus(site, line.split(' '), { isUnread });

beforeAll(async () => {
  await beginSite(site);
  const directory = 'https://127.0.0.1:1/dir';
  await putEnded(site, { certificateId: 'certificate1', names: ['ended.test'], directory });
  expect(await at(`recipient add edge ${RECIPIENT} --request add`)).toMatchObject({ status: 0 });
});
afterAll(() => folder.remove());

test.each([
  ['cert check', 11],
  ['doctor', 10],
  ['keys check none.key', 10],
  ['inspect 127.0.0.1:1', 7],
  ['bus verify', 0],
  ['conf validate none.json', 3],
])('certbus %s says by its status what it found: %i', async (line, status) => {
  expect((await at(line)).status).toBe(status);
  expect((await at(line, true)).status).toBe(status);
});

test.each([
  ['root sign add --yes', 'add.signed'],
  ['bus export export', 'export'],
])('certbus %s writes its file', async (line, file) => {
  expect(await at(line, true)).toMatchObject({ status: 0 });
  expect(existsSync(join(site, file))).toBe(true);
  rmSync(join(site, file));
});

test('a command that only shows something ends without an error', async () => {
  expect(await at('cert ls', true)).toMatchObject({ status: 0, stderr: '' });
});
