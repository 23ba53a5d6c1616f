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

/** Codes that no test names, and why. */
const UNNAMED: Readonly<Record<string, string>> = {
  CERTBUS_AGENT_CONFIG_MISSING: 'tests of the agent look at the status and the words of a missing file',
  CERTBUS_CLI_INTERRUPTED: 'tests of Ctrl-C look at the status 130, and at what is released',
  CERTBUS_MANAGER_CLAIMED_ELSEWHERE: 'a run of renewals reports it as an outcome, and no command fails with it',
  CERTBUS_MANAGER_CONFIG_MISSING: 'init writes a configuration with the bus',
  CERTBUS_MANAGER_REPLICA_EMPTY: 'two processes would have to meet within the first moment of a replica',
  CERTBUS_REPLICA_NOT_READY: 'another process would have to hold a lock for minutes',
};

test('every code is expected by a test, but for those that are listed with a reason', () => {
  const tests = globSync('{packages,apps}/*/src/**/*.{test,builders}.ts', { cwd: root });
  const conformance = globSync('{packages,apps}/*/src/**/conformance/**/*.ts', { cwd: root });
  const text = [...tests, ...conformance].map((file) => readFileSync(`${root}/${file}`, 'utf8')).join('\n');
  const unnamed = [...declared].filter((code) => !text.includes(code)).sort();
  expect(unnamed).toEqual(Object.keys(UNNAMED).sort());
});
