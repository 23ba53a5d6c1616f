/** How exported files are put in place: all of them, or none. */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { writeExport } from './files.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const at = (name: string) => join(folder.path, name);

test.each([true, false])('no file is written where another one is a folder; with --force: %s', (force) => {
  mkdirSync(at('chains'), { recursive: true });
  writeFileSync(at('key.pem'), 'the key before');
  const before = readdirSync(folder.path);
  const files = [
    { path: at('key.pem'), content: 'a new key' },
    { path: at('chains'), content: 'its chain' },
  ];
  expect(() => writeExport(files, { force })).toThrow(
    expect.objectContaining({
      code: 'CERTBUS_CLI_FILE_PROBLEM',
      message: `${at('chains')}: it is a folder; name a file.`,
    }),
  );
  expect(readFileSync(at('key.pem'), 'utf8')).toBe('the key before');
  expect(readdirSync(folder.path)).toEqual(before);
});
