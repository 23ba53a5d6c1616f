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

/** Where each code is provoked: a test that expects it, or why there is none. */
const PROVOKED_BY: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(new URL('./provoked-by.json', import.meta.url), 'utf8'),
);
const NONE = 'none: ';
/** What `certbus` itself is made to print: status, message and advice are compared. */
const BY_CERTBUS = 'apps/cli/src/provoked/provoked.int.test.ts';

const text = (file: string) => readFileSync(`${root}/${file}`, 'utf8');
/** Tests, and what they are made of. */
const TESTS = globSync(
  ['{packages,apps}/*/src/**/*.{test,builders}.ts', '{packages,apps}/*/src/**/conformance/**/*.ts'],
  { cwd: root },
);

test('every code has the test that provokes it, and no other code has one', () => {
  expect(Object.keys(PROVOKED_BY)).toEqual([...documented]);
});

test('the test that is named for a code expects it', () => {
  const wrong = Object.entries(PROVOKED_BY).filter(
    ([code, file]) => !file.startsWith(NONE) && !(TESTS.includes(file) && text(file).includes(code)),
  );
  expect(wrong).toEqual([]);
});

test('what certbus can be made to print is provoked by certbus', () => {
  const kept = Object.keys(JSON.parse(text('apps/cli/src/provoked/provoked.json')));
  const named = Object.keys(PROVOKED_BY).filter((code) => PROVOKED_BY[code] === BY_CERTBUS);
  expect(named.sort()).toEqual(kept.sort());
});

/** Codes of this machine and of the command line that are not provoked there, and why. */
const NOT_BY_CERTBUS: Readonly<Record<string, string>> = {
  CERTBUS_CLI_SECRET_MISSING: 'needs AWS',
  CERTBUS_CLI_SECRET_DENIED: 'needs AWS',
  CERTBUS_CLI_SECRET_UNREACHABLE: 'needs AWS',
  CERTBUS_CLI_DECLINED: 'is the answer to a question on a terminal, whose transcript is kept',
  CERTBUS_CLI_PORT_PROBLEM: 'is that of "certbus example-server", which has no --json',
};

test('every code of this machine and of the command line is provoked by certbus, or has a reason', () => {
  const own = codesIn(
    ['apps/cli/src/errors.ts', 'packages/runtime/src/errors.ts'],
    /(?:\||ErrorCode =)\s*'(CERTBUS_\w+)'/g,
  );
  expect(own.size).toBeGreaterThan(20);
  const others = [...own].filter((code) => PROVOKED_BY[code] !== BY_CERTBUS);
  expect(others.sort()).toEqual(Object.keys(NOT_BY_CERTBUS).sort());
});

test('a code without a test has a reason, and is in no test', () => {
  const texts = TESTS.map(text);
  const unnamed = [...documented].filter((code) => !texts.some((each) => each.includes(code)));
  const reasons = Object.keys(PROVOKED_BY).filter((code) => PROVOKED_BY[code]?.startsWith(NONE));
  expect(reasons).toEqual(unnamed);
});

test('every code has an exit status of certbus, which the contract compares', () => {
  const { exitStatuses } = JSON.parse(text('apps/cli/src/contract.json'));
  expect([...documented].filter((code) => !(code in exitStatuses))).toEqual([]);
});

test('the exit status 10 has every command that ends with it', () => {
  const [row = ''] = /^\| 10 \| .*$/m.exec(text('docs/errors.md')) ?? [];
  const commands = globSync('**/*.ts', { cwd: `${root}/apps/cli/src/commands` })
    .filter((file) => text(`apps/cli/src/commands/${file}`).includes("'CERTBUS_CLI_UNHEALTHY'"))
    .map((file) => file.replace(/\.ts$/, '').replaceAll('/', ' '));
  expect(commands.length).toBeGreaterThan(5);
  expect(commands.filter((command) => !new RegExp(`\`(?:certbus )?${command}\``).test(row))).toEqual([]);
});

test('what @certbus/runtime declares is behind one another in docs/errors.md, up to the code that is named there', () => {
  const own = codesIn(['packages/runtime/src/errors.ts'], /\|\s*'(CERTBUS_\w+)'/g);
  const [, last] = /^Those up to `(CERTBUS_\w+)` come from `@certbus\/runtime`/m.exec(text('docs/errors.md')) ?? [];
  const all = [...documented];
  const first = all.indexOf('CERTBUS_CLI_CONFIG_MISSING');
  expect(new Set(all.slice(first, all.indexOf(last ?? '') + 1))).toEqual(own);
});
