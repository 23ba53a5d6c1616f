import { chmodSync, closeSync, mkdirSync, openSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, test } from 'vitest';
import { describeExposure, examineFile, examineRootFile, examineState, ownFolder } from './private-file.ts';

const temporary = temporaryFolder();
let files = 0;
afterAll(() => temporary.remove());

function newPath(name: string): string {
  files += 1;
  return join(temporary.path, `${files}-${name}`);
}
function newFile(mode: number): string {
  const path = newPath('key');
  writeFileSync(path, 'secret');
  chmodSync(path, mode);
  return path;
}
function newFolder(mode: number): string {
  const path = newPath('folder');
  mkdirSync(path);
  chmodSync(path, mode);
  return path;
}

describe.skipIf(process.platform === 'win32')('files of this user', () => {
  test('a secret is good from 0600 on, by an absolute path, a relative one and a link', () => {
    for (const mode of [0o600, 0o400, 0o700]) {
      const path = newFile(mode);
      const link = newPath('link');
      symlinkSync(path, link);
      for (const each of [path, relative(process.cwd(), path), link])
        expect(examineFile(each, { isSecret: true })).toEqual({ refused: undefined, accepted: [] });
    }
  });

  test('a secret that others can read is refused with what to do about it, and is good where nothing in it is secret', () => {
    const path = newFile(0o644);
    const { refused } = examineFile(path, { isSecret: true });
    expect(refused && describeExposure(refused)).toBe(
      `${path} can be read by others (mode 0644). Make it yours alone with "chmod 600 ${path}".`,
    );
    expect(examineFile(path)).toEqual({ refused: undefined, accepted: [] });
  });

  test('a file that others can write, or in a folder where they can, is refused', () => {
    const path = newFile(0o606);
    expect(examineFile(path).refused).toMatchObject({ path, advice: `Change that with "chmod go-w ${path}".` });
    const folder = newFolder(0o777);
    writeFileSync(join(folder, 'key'), '', { mode: 0o600 });
    for (const isSecret of [true, false])
      expect(examineFile(join(folder, 'key'), { isSecret }).refused).toMatchObject({ path: folder });
  });

  test('what root obeys is good where nobody else can change it or lead the way elsewhere, for any user', () => {
    const folder = newFolder(0o755);
    const path = join(folder, 'script');
    writeFileSync(path, '', { mode: 0o644 });
    const { refused } = examineRootFile(path);
    if (process.geteuid?.() !== 0) return expect(refused?.what).toContain('who is not root');
    expect(refused).toBeUndefined();
    chmodSync(folder, 0o777);
    expect(examineRootFile(path).refused).toMatchObject({ path: folder });
  });

  test('a file that is not there, and links that lead in a circle, are told as the system does', () => {
    expect(() => examineFile(newPath('none'))).toThrow(/ENOENT/);
    const [one, other] = [newPath('one'), newPath('other')];
    symlinkSync(one, other);
    symlinkSync(other, one);
    expect(() => examineFile(one)).toThrow(/symbolic links/);
  });

  test.skipIf(process.platform !== 'linux')('a file that the process was started with is looked at by itself', () => {
    const path = newFile(0o600);
    const file = openSync(path, 'r');
    try {
      expect(examineFile(`/dev/fd/${file}`, { isSecret: true }).refused).toBeUndefined();
      chmodSync(path, 0o644);
      expect(examineFile(`/proc/self/fd/${file}`, { isSecret: true }).refused).toMatchObject({
        what: 'can be read by others (mode 0644)',
      });
    } finally {
      closeSync(file);
    }
  });
});

describe.skipIf(process.platform === 'win32')('state', () => {
  test.each([0o700, 0o750, 0o755])('is kept in the state directory itself where that has mode %o', (mode) => {
    const folder = newFolder(mode);
    expect(ownFolder(folder)).toBe(folder);
  });

  test('is kept in the state directory that is not there yet', () => {
    const path = newPath('state');
    expect(ownFolder(path)).toBe(path);
  });

  test.each([0o777, 0o1777, 0o702])(
    'is kept in a folder of its own where others can write the directory (%o)',
    (mode) => {
      const folder = newFolder(mode);
      expect(ownFolder(folder)).toBe(join(folder, `certbus-${process.geteuid?.()}`));
    },
  );

  test('is judged without the folders above it', () => {
    const folder = newFolder(0o777);
    const own = join(folder, 'own');
    mkdirSync(own, { mode: 0o700 });
    expect(statSync(own).mode & 0o777).toBe(0o700);
    expect(examineState(own)).toBeUndefined();
    expect(examineState(join(own, 'none'))).toBeUndefined();
    const link = join(folder, 'link');
    symlinkSync(folder, link);
    expect(examineState(link)).toMatchObject({ what: 'can be written by others (mode 0777)' });
  });
});
