/** Seeds a violation of each rule into a copy of the repository, so that no rule goes blind. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { checkTree } from './check.ts';
import { DIAGRAM, outdatedDiagram } from './diagram/current.ts';
import type { Finding } from './finding.ts';
import { staleFloorPlan } from './floor-plan.ts';
import { HOUSE } from './house.ts';
import { DARK, outdatedPicture } from './pictures.ts';
import { isOutside, readTree } from './tree.ts';

const root = join(import.meta.dirname, '..');
const copy = mkdtempSync(join(tmpdir(), 'certbus-rules-'));

/** What is written into the copy: new files, and files that a function changes. */
type Seeds = Readonly<Record<string, string | ((text: string) => string)>>;

interface Violation {
  readonly name: string;
  readonly seeds: Seeds;
  readonly rule: string;
  readonly where: string;
}

const VIOLATIONS: readonly Violation[] = [
  {
    name: 'a pure file that reads a file',
    seeds: { 'packages/events/src/seeded-io.ts': "export { readFileSync } from 'node:fs';\n" },
    rule: 'pure-file',
    where: 'packages/events/src/seeded-io.ts:1',
  },
  {
    name: 'a pure file in a room that opens a database on demand',
    seeds: { 'packages/manager/src/decide/seeded-io.ts': "export const open = () => import('node:sqlite');\n" },
    rule: 'pure-file',
    where: 'packages/manager/src/decide/seeded-io.ts:1',
  },
  {
    name: 'a pure file that opens a socket, where it may ask what an address is',
    seeds: { 'packages/acme/src/limits/seeded-io.ts': "\nexport { connect, isIP } from 'node:net';\n" },
    rule: 'pure-file',
    where: 'packages/acme/src/limits/seeded-io.ts:2',
  },
  {
    name: 'a pure file that loads a module of Node on demand',
    seeds: {
      'packages/manager/src/state/seeded-io.ts':
        "export const get = () => process.getBuiltinModule('node:http').get;\n",
    },
    rule: 'pure-file',
    where: 'packages/manager/src/state/seeded-io.ts:1',
  },
  {
    name: 'a pure file that loads an SDK',
    seeds: {
      'packages/store/src/archive/seeded-io.ts': "import { S3 } from '@aws-sdk/client-s3';\nexport const s3 = S3;\n",
    },
    rule: 'pure-file',
    where: 'packages/store/src/archive/seeded-io.ts:1',
  },
  {
    name: 'a pure file that fetches',
    seeds: { 'packages/manager/src/renewal/seeded-io.ts': 'export const get = (url: string) => fetch(url);\n' },
    rule: 'pure-file',
    where: 'packages/manager/src/renewal/seeded-io.ts:1',
  },
  {
    name: 'a pure file that reads the environment',
    seeds: { 'packages/client/src/seeded-io.ts': 'export const { HOME } = process.env;\n' },
    rule: 'pure-file',
    where: 'packages/client/src/seeded-io.ts:1',
  },
  {
    name: 'a pure file that imports one that does I/O',
    seeds: {
      'packages/manager/src/decide/seeded-import.ts':
        "export { openRenewalInfoNotes } from '../renewal/renewal-info-notes.ts';\n",
    },
    rule: 'pure-file',
    where: 'packages/manager/src/decide/seeded-import.ts:1',
  },
  {
    name: 'a file outside the adapters that imports one',
    seeds: { 'packages/store/src/seeded-adapter.ts': "export { openMemoryLog } from './adapters/memory.ts';\n" },
    rule: 'adapter-import',
    where: 'packages/store/src/seeded-adapter.ts:1',
  },
  {
    name: "a file that imports a type of another package's adapter",
    seeds: {
      'packages/manager/src/renewal/seeded-adapter.ts':
        "export type Log = ReturnType<typeof import('@certbus/store/sqlite').openSqliteLog>;\n",
    },
    rule: 'adapter-import',
    where: 'packages/manager/src/renewal/seeded-adapter.ts:1',
  },
  {
    name: 'an adapter that imports another',
    seeds: { 'packages/store/src/adapters/dynamodb/seeded.ts': "export { openMemoryLog } from '../memory.ts';\n" },
    rule: 'adapters-are-strangers',
    where: 'packages/store/src/adapters/dynamodb/seeded.ts:1',
  },
  {
    name: 'a DNS provider that imports another',
    seeds: { 'packages/solvers/src/providers/exec/seeded.ts': "export * from '../cloudflare/solver.ts';\n" },
    rule: 'adapters-are-strangers',
    where: 'packages/solvers/src/providers/exec/seeded.ts:1',
  },
  {
    name: 'a source that imports a test',
    seeds: { 'packages/store/src/adapters/seeded-test.ts': "import '../transact.test.ts';\n" },
    rule: 'test-import',
    where: 'packages/store/src/adapters/seeded-test.ts:1',
  },
  {
    name: 'a source that imports a type of a builder',
    seeds: { 'apps/cli/src/seeded-test.ts': "import type { A } from './seeded.builders.ts';\nexport type B = A;\n" },
    rule: 'test-import',
    where: 'apps/cli/src/seeded-test.ts:1',
  },
  {
    name: 'a source that imports what only tests have',
    seeds: { 'packages/acme/src/order/seeded-test.ts': "export * from '@certbus/acme-server';\n" },
    rule: 'test-import',
    where: 'packages/acme/src/order/seeded-test.ts:1',
  },
  {
    name: 'files that import one another, by type alone',
    seeds: {
      'benchmarks/seeded-a.ts': "import type { B } from './seeded-b.ts';\nexport type A = B;\n",
      'benchmarks/seeded-b.ts': "export type B = import('./seeded-c.ts').C;\n",
      'benchmarks/seeded-c.ts': "export type { A as C } from './seeded-a.ts';\n",
    },
    rule: 'import-cycle',
    where: 'benchmarks/seeded-a.ts',
  },
  {
    name: 'a file that imports itself by the name of its package',
    seeds: { 'packages/client/src/testing.ts': (text) => `import type {} from '@certbus/client/testing';\n${text}` },
    rule: 'import-cycle',
    where: 'packages/client/src/testing.ts',
  },
  {
    name: 'packages that import one another by way of different files',
    seeds: { 'packages/events/src/seeded-arrow.ts': "export type { Log } from '@certbus/store';\n" },
    rule: 'import-cycle',
    where: 'packages/events',
  },
  {
    name: 'an entry that is published otherwise than it is used here',
    seeds: {
      'packages/replica/package.json': (text) => text.replace(/("publishConfig"[\s\S]*)index\.js/, '$1main.js'),
    },
    rule: 'exports',
    where: 'packages/replica/package.json',
  },
  {
    name: 'an entry whose source does not exist',
    seeds: { 'packages/runtime/package.json': (text) => text.replace('./src/local.ts', './src/seeded-nothing.ts') },
    rule: 'exports',
    where: 'packages/runtime/package.json',
  },
  {
    name: 'an entry that names what another source is built into',
    seeds: { 'apps/example-server/package.json': (text) => text.replaceAll('main.js', 'seeded.js') },
    rule: 'exports',
    where: 'apps/example-server/package.json',
  },
  {
    name: 'a package with too many of the lines',
    seeds: { 'packages/solvers/src/seeded-lines.ts': '\n'.repeat(20_000) },
    rule: 'package-share',
    where: 'packages/solvers',
  },
  {
    name: 'a folder with too many entries',
    seeds: Object.fromEntries(Array.from({ length: 13 }, (_, index) => [`packages/acme/src/seeded-${index}.ts`, ''])),
    rule: 'folder-entries',
    where: 'packages/acme/src',
  },
  {
    name: 'a package that the floor plan leaves out',
    seeds: { 'packages/seeded/package.json': '{ "name": "@certbus/seeded", "private": true }\n' },
    rule: 'floor-plan',
    where: 'packages/seeded',
  },
  {
    name: 'a message that is not plain English',
    seeds: { 'packages/store/src/seeded-words.ts': "export const message = 'this is no seed';\n" },
    rule: 'plain-words',
    where: 'packages/store/src/seeded-words.ts:1',
  },
  ...[
    ['has less time than all', "test.each([1])('x', { timeout: 60_000 }, async () => {});"],
    ['whose hook has less time than all', 'beforeAll(async () => {}, 60_000);'],
    ['that polls for less time than all', 'await expect.poll(() => 1, { timeout: 1_000 }).toBe(1);'],
    ['that waits for a second', 'await vi.waitFor(() => true);'],
  ].map(([name = '', text = ''], index) => ({
    name: `a test ${name}`,
    seeds: { [`packages/store/src/seeded-haste-${index}.test.ts`]: `${text}\n` },
    rule: 'patient-test',
    where: `packages/store/src/seeded-haste-${index}.test.ts:1`,
  })),
  ...[
    ['a link to a file that is not there', '[gone](../seeded-gone.md)'],
    ['a link to a heading that is not there', '[gone](../architecture.md#seeded-gone)'],
    ['a path that is not there', '`packages/store/src/seeded-gone`'],
    ["a file's name that is nowhere", '`seeded-gone.ts`'],
    ['an entry that no package has', '`@certbus/store/seeded-gone`'],
  ].map(([name = '', text = ''], index) => ({
    name: `a document with ${name}`,
    seeds: { [`docs/guides/seeded-${index}.md`]: `# Seeded\n\n${text}\n` },
    rule: 'document-reference',
    where: `docs/guides/seeded-${index}.md:3`,
  })),
];

const ACCEPTED: readonly (readonly [name: string, path: string, text: string])[] = [
  ['an adapter that reads a file', 'packages/store/src/adapters/accepted.ts', "import 'node:fs';\n"],
  [
    'a test that has more time than all, and calls with numbers that are no limits of its own',
    'packages/store/src/accepted-haste.test.ts',
    "test('x', { timeout: 3_600_000 }, () => expect(1).toBe(1));\nawait run({ timeout: 1 });\n",
  ],
  ['a test that imports a builder', 'packages/store/src/accepted.test.ts', "import './bus.builders.ts';\n"],
  [
    "a pure file with an I/O module's type",
    'packages/events/src/accepted-1.ts',
    "export type { Stats } from 'node:fs';\n",
  ],
  [
    'a pure file that asks what an address is',
    'packages/events/src/accepted-2.ts',
    "export { isIP } from 'node:net';\n",
  ],
  [
    "an I/O room that imports another package's adapter",
    'packages/replica/src/accepted.ts',
    "export { openSqliteLog } from '@certbus/store/sqlite';\n",
  ],
  [
    'an entry of a room',
    'packages/client/src/serving/index.ts',
    "export { openMaterial } from './material-source.ts';\n",
  ],
  [
    'a pure file that is given its fetch',
    'packages/events/src/accepted-3.ts',
    'export const get = ({ fetch }: { fetch: (url: string) => unknown }) => fetch("x");\n',
  ],
  [
    'links and paths that exist, and those in blocks of code',
    'docs/guides/accepted.md',
    '# Accepted\n\n[up](../../README.md#packages) [here](#accepted) `packages/*/src` `log.ts` `@certbus/store/open`\n\n```\n`gone.ts`\n```\n',
  ],
];

let findings: readonly Finding[];

function plant(seeds: Seeds): void {
  for (const [path, seed] of Object.entries(seeds)) {
    const file = join(copy, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, typeof seed === 'string' ? seed : seed(readFileSync(file, 'utf8')));
  }
}

beforeAll(() => {
  cpSync(root, copy, { recursive: true, filter: (path) => path === root || !isOutside(basename(path)) });
  for (const { seeds } of VIOLATIONS) plant(seeds);
  for (const [, path, text] of ACCEPTED) plant({ [path]: text });
  findings = checkTree(readTree(copy), HOUSE);
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

describe('seeded violations', () => {
  test.each(VIOLATIONS)('the rules find $name', ({ rule, where }) => {
    expect(findings).toContainEqual(expect.objectContaining({ rule, where }));
  });

  test('the rules find nothing else', () => {
    const expected = VIOLATIONS.map(({ rule, where }) => `${where} ${rule}`).sort();
    expect(findings.map(({ rule, where }) => `${where} ${rule}`).sort()).toEqual(expected);
  });

  test.each(ACCEPTED)('the rules accept %s', (_, path) => {
    expect(findings.filter(({ where }) => where.startsWith(path))).toEqual([]);
  });

  test('the program prints each on a line of its own, with what to do, and fails', () => {
    const { status, stderr } = spawnSync(process.execPath, [join(root, 'rules/main.ts')], {
      cwd: copy,
      encoding: 'utf8',
    });
    expect(stderr.trimEnd().split('\n')).toHaveLength(findings.length);
    expect(stderr).toContain(
      'these files import one another: benchmarks/seeded-a.ts -> benchmarks/seeded-b.ts -> benchmarks/seeded-c.ts -> benchmarks/seeded-a.ts. Move',
    );
    expect(status).toBe(1);
  });
});

describe('the repository itself', () => {
  const tree = readTree(root);

  test('keeps every rule', () => {
    expect(checkTree(tree, HOUSE)).toEqual([]);
  });

  test('would not keep a floor plan that names what is not there', () => {
    const moved = { ...HOUSE, shared: [...HOUSE.shared, 'packages/store/src/adapters/moved.ts'] };
    expect(staleFloorPlan(tree, moved)).toMatchObject([
      { rule: 'floor-plan', where: 'packages/store/src/adapters/moved.ts' },
    ]);
  });

  test('would not keep a floor plan that excuses a pure file', () => {
    const packages = { ...HOUSE.packages, 'packages/events': { io: ['codec.ts'], composition: [] } };
    expect(staleFloorPlan(tree, { ...HOUSE, packages })).toMatchObject([
      { rule: 'floor-plan', where: 'packages/events/src/codec.ts' },
    ]);
  });

  test('would not keep a picture that the code no longer looks like', () => {
    const documents = new Map([...tree.documents, [DIAGRAM, '<svg/>']]);
    expect(outdatedDiagram({ ...tree, documents }, HOUSE)).toMatchObject([{ rule: 'diagram', where: DIAGRAM }]);
  });

  test('would not keep a dark picture that is another one than the light one', () => {
    const documents = new Map([...tree.documents, [DARK, '<svg/>']]);
    expect(outdatedPicture({ ...tree, documents })).toMatchObject([{ rule: 'picture', where: DARK }]);
  });
});
