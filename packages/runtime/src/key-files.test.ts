/** Tests of writing new files, and of what a writer that was killed left behind. */
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { makeFolder, readFile, readKeyFile, replaceFile, writeNew } from './key-files.ts';

const temporary = temporaryFolder();
afterAll(() => temporary.remove());

let folders = 0;
function newFolder(): string {
  folders += 1;
  const folder = join(temporary.path, String(folders));
  mkdirSync(folder);
  return folder;
}

test('half a key that a killed writer left is removed by the next, and nothing else is', () => {
  const folder = newFolder();
  const path = join(folder, 'root.key');
  writeFileSync(`${path}.${randomUUID()}.new`, 'half a k', { mode: 0o600 });
  const others = ['root.key.new', `other.key.${randomUUID()}.new`, `my-root.key.${randomUUID()}.new`];
  for (const name of others) writeFileSync(join(folder, name), '');
  expect(writeNew(path, 'key', { isSecret: true })).toBe(true);
  expect(readdirSync(folder).sort()).toEqual([...others, 'root.key'].sort());
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('the second name of a key whose writer was killed behind the link is removed as well', () => {
  const folder = newFolder();
  const path = join(folder, 'root.key');
  writeFileSync(path, 'first', { mode: 0o600 });
  linkSync(path, `${path}.${randomUUID()}.new`);
  expect(writeNew(path, 'second', { isSecret: true })).toBe(false);
  expect(readdirSync(folder)).toEqual(['root.key']);
  expect(readFileSync(path, 'utf8')).toBe('first');
});

test('a file that is replaced is rid of leftovers, where a link leads to as well', () => {
  const [folder, elsewhere] = [newFolder(), newFolder()];
  const target = join(elsewhere, 'bus.pub');
  writeFileSync(target, 'old');
  symlinkSync(target, join(folder, 'linked.pub'));
  writeFileSync(`${target}.${randomUUID()}.new`, 'half');
  replaceFile(join(folder, 'linked.pub'), 'new');
  expect(readFileSync(target, 'utf8')).toBe('new');
  expect(readdirSync(elsewhere)).toEqual(['bus.pub']);
});

const TRUST = `certbus1 ${'A'.repeat(43)} ${'A'.repeat(43)}\n`;

test.each([
  ['a trust file', TRUST],
  ['one of Windows', `\ufeff${TRUST.replace('\n', '\r\n')}`],
  ['the public halves of a key', '# signing key: abc\n# recipient: age1abc\n'],
])('%s that is named as a key is read whatever its mode, so that it is called what it is', (_, text) => {
  const path = join(newFolder(), 'bus.pub');
  writeFileSync(path, text, { mode: 0o644 });
  expect(readKeyFile(path, 'The key')).toBe(text.replace('\ufeff', ''));
});

test.each([
  'AGE-SECRET-KEY-1ABC\n',
  '# public key: age1abc\nhunter2\n',
  String.raw`# public key: age1abc\nAGE-SECRET-KEY-1ABC`,
  '#hunter2\n',
  '',
  `# x\n${TRUST}`,
  `${TRUST}AGE-SECRET-KEY-1ABC\n`,
  'certbus1 hunter2\n',
])('what can be a secret is refused where others can read it: %j', (text) => {
  const path = join(newFolder(), 'some.key');
  writeFileSync(path, text, { mode: 0o644 });
  expect(() => readKeyFile(path, 'The key')).toThrow(expect.objectContaining({ code: 'CERTBUS_CLI_KEY_FILE_OPEN' }));
});

test('a link to nothing is named as one', () => {
  const path = join(newFolder(), 'certbus.json');
  symlinkSync('/nowhere/certbus.json', path);
  expect(writeNew(path, '{}', { isSecret: false })).toBe(false);
  expect(() => readFile(path, 'The configuration')).toThrow(
    /symbolic link to \/nowhere\/certbus\.json, which does not/,
  );
});

test('folders are made down to the last', () => {
  const path = join(newFolder(), 'a', 'b', 'c');
  makeFolder(path);
  makeFolder(path);
  expect(statSync(path).isDirectory()).toBe(true);
});

test.each(['/dev/null', temporary.path])('%s is not a key, and no mode of it is advised', (path) => {
  const read = () => readKeyFile(path, 'The identity');
  expect(read).toThrow(expect.objectContaining({ code: 'CERTBUS_CLI_FILE_UNREADABLE' }));
  expect(read).not.toThrow(/chmod/);
});
