import { globSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const codesIn = (files: readonly string[], pattern: RegExp) =>
  new Set(
    files.flatMap((file) =>
      [...readFileSync(`${root}/${file}`, 'utf8').matchAll(pattern)].map(([, code = '']) => code),
    ),
  );

/** The members of each package's literal union of codes. */
const declared = codesIn(
  globSync('{packages,apps}/*/src/errors.ts', { cwd: root }),
  /(?:\||ErrorCode =)\s*'(CERTBUS_\w+)'/g,
);
const documented = codesIn(['docs/errors.md'], /^\| `(CERTBUS_\w+)`/gm);

test('every code that the packages declare is in docs/errors.md, and no other', () => {
  expect(declared.size).toBeGreaterThan(60);
  expect([...declared].filter((code) => !documented.has(code))).toEqual([]);
  expect([...documented].filter((code) => !declared.has(code))).toEqual([]);
});

test('every code that is declared is used', () => {
  const sources = globSync('{packages,apps}/*/src/**/*.ts', { cwd: root }).filter(
    (file) => !/\.test\.ts$|exit-status\.ts$/.test(file),
  );
  const text = sources.map((file) => readFileSync(`${root}/${file}`, 'utf8')).join('\n');
  const timesNamed = (code: string) => text.split(`'${code}'`).length - 1;
  expect([...declared].filter((code) => timesNamed(code) < 2)).toEqual([]);
});
