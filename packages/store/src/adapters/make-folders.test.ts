/** Tests which folders are made, and that what cannot be made ends in an error. */
import { mkdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { expect, onTestFinished, test } from 'vitest';
import { makeFolders } from './make-folders.ts';

function inFolder(): string {
  const folder = temporaryFolder();
  onTestFinished(() => folder.remove());
  return folder.path;
}

test('folders are made from the first that is not there, with the mode, and once', () => {
  const folder = inFolder();
  const path = join(folder, 'a', 'b', 'c');
  expect(makeFolders(path, { mode: 0o700 })).toBe(join(folder, 'a'));
  expect(makeFolders(path, { mode: 0o700 })).toBeUndefined();
  expect(makeFolders(join(path, 'd'), { mode: 0o750 })).toBe(join(path, 'd'));
  for (const each of ['a', 'a/b', 'a/b/c']) expect(statSync(join(folder, each)).mode & 0o777).toBe(0o700);
});

test('a file, a link that leads nowhere, and a system that takes no folder end in its error', () => {
  const folder = inFolder();
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'nowhere', 'else'), join(folder, 'link'));
  mkdirSync(join(folder, 'real'));
  symlinkSync(join(folder, 'real'), join(folder, 'good'));
  for (const name of ['file', 'file/a', 'link', 'link/a', '/proc/certbus/a/b'])
    expect(() => makeFolders(name.startsWith('/') ? name : join(folder, name), { mode: 0o700 }), name).toThrow(
      /^E[A-Z]+: /,
    );
  expect(makeFolders(join(folder, 'good'), { mode: 0o700 })).toBeUndefined();
});
