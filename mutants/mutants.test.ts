/** Tests of the list of mutants: that each still has its place in the sources, and how one is made. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { MUTANTS } from './list.ts';
import { type Mutant, mutate } from './mutant.ts';

/** The text of a file of tests, and of the builders that it imports: the tests of a suite are there. */
function testsIn(file: string): string {
  const text = readFileSync(file, 'utf8');
  const builders = [...text.matchAll(/from '(\.[^']+\.builders\.ts)'/g)].map(([, path = '']) =>
    readFileSync(join(dirname(file), path), 'utf8'),
  );
  return [text, ...builders].join('\n');
}

test.each(MUTANTS)('$file is guarded against: $fault', (mutant) => {
  const text = readFileSync(mutant.file, 'utf8');
  expect(mutate(text, mutant)).not.toBe(text);
  expect(mutant.noticedBy.length).toBeGreaterThan(0);
  for (const { file, only } of mutant.noticedBy) {
    expect(existsSync(file), file).toBe(true);
    if (only !== undefined) expect(testsIn(file)).toContain(only);
  }
});

test('no two mutants are the same', () => {
  const changes = MUTANTS.map(({ file, find, replace }) => `${file}\n${find}\n${replace}`);
  expect(new Set(changes).size).toBe(MUTANTS.length);
});

const mutant: Mutant = { fault: 'it adds', file: 'x.ts', find: 'a - b', replace: 'a + b', noticedBy: [] };

test('a mutant changes one place and nothing else', () => {
  expect(mutate('f(a - b); // a', mutant)).toBe('f(a + b); // a');
});

test.each([
  ['is not there', 'f(b - a)'],
  ['is there 2 times', 'f(a - b, a - b)'],
])('a mutant whose place %s says that it must be brought along', (what, text) => {
  expect(() => mutate(text, mutant)).toThrow(what);
  expect(() => mutate(text, mutant)).toThrow('bring its mutant "it adds" along');
});
