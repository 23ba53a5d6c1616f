import { openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { mountDisk, requirePart, temporaryFolder } from 'certbus-services';
import { afterAll, describe, expect, onTestFinished, test } from 'vitest';
import { describeFileProblem, fileProblemOf } from './file-problem.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());

function errorOf(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
}

const numbered = (errcode: number) => Object.assign(new Error('sqlite'), { code: 'ERR_SQLITE_ERROR', errcode });
const named = (code: string) => Object.assign(new Error(code), { code });

test.each([
  [5, 'busy'],
  [6, 'busy'],
  [11, 'damaged'],
  [26, 'damaged'],
  [13, 'full'],
  [8, 'read-only'],
  [10, 'disk'],
  [10 | (3 << 8), 'disk'],
  [14, 'denied'],
] as const)("SQLite's result %i means: %s", (errcode, problem) => {
  expect(fileProblemOf(numbered(errcode), join(folder.path, 'any.db'))).toBe(problem);
});

test.each([
  ['ENOSPC', 'full'],
  ['EDQUOT', 'full'],
  ['EROFS', 'read-only'],
  ['EACCES', 'denied'],
  ['EPERM', 'denied'],
  ['EMFILE', 'too-many-open'],
  ['ENFILE', 'too-many-open'],
  ['EIO', 'disk'],
] as const)("the system's %s means: %s", (code, problem) => {
  expect(fileProblemOf(named(code), join(folder.path, 'any.db'))).toBe(problem);
});

test('an error of something else is not a problem of the file', () => {
  expect(fileProblemOf(new TypeError('x'), folder.path)).toBeUndefined();
  expect(fileProblemOf('x', folder.path)).toBeUndefined();
  expect(describeFileProblem(new TypeError('x'), folder.path)).toBe('x');
});

test('a real file that is not a database is damaged, and one that another connection holds is busy', () => {
  const path = join(folder.path, 'text.db');
  writeFileSync(path, 'not a database, and longer than a header of one hundred bytes'.repeat(4));
  expect(
    fileProblemOf(
      errorOf(() => new DatabaseSync(path).exec('PRAGMA quick_check')),
      path,
    ),
  ).toBe('damaged');
  const held = join(folder.path, 'held.db');
  const holder = new DatabaseSync(held);
  holder.exec('BEGIN EXCLUSIVE');
  onTestFinished(() => holder.close());
  expect(
    fileProblemOf(
      errorOf(() => new DatabaseSync(held).exec('BEGIN EXCLUSIVE')),
      held,
    ),
  ).toBe('busy');
});

test('a folder that is away is told from a missing right, although SQLite says the same of both', () => {
  const denied = errorOf(() => new DatabaseSync(join(folder.path, 'away', 'x.db')));
  expect(fileProblemOf(denied, join(folder.path, 'away', 'x.db'))).toBe('missing');
});

const part = requirePart('disks');
describe.skipIf(part.skip)(part.title('on a disk of its own'), () => {
  test('a full disk and a read-only one are told apart', () => {
    const disk = mountDisk(join(folder.path, 'disk'));
    onTestFinished(() => disk.remove());
    const path = join(disk.path, 'a.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE t (x BLOB)');
    const full = errorOf(() => database.exec('INSERT INTO t VALUES (zeroblob(4000000))'));
    expect(fileProblemOf(full, path)).toBe('full');
    expect(describeFileProblem(full, path)).toMatch(/disk is full/);
    database.close();
    disk.remount('ro');
    expect(
      fileProblemOf(
        errorOf(() => openSync(join(disk.path, 'b'), 'w')),
        join(disk.path, 'b'),
      ),
    ).toBe('read-only');
    const readOnly = errorOf(() => new DatabaseSync(join(disk.path, 'b.db')));
    expect(fileProblemOf(readOnly, join(disk.path, 'b.db'))).toBe('read-only');
  });
});
