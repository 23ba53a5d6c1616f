/** Plants each refused expression where users read it, and where they do not. */
import { describe, expect, test } from 'vitest';
import type { SourceFile, Tree } from './tree.ts';
import { translatedWords } from './wording.ts';

const REFUSED = [
  'it lasts for ever',
  'it is made anew',
  'Whoever reads it',
  'it lets go of the claim',
  'a run that ends well',
  'zones must be a text',
  'it is to stand under "programs"',
  '"x" is no domain name',
  'this is no `position`',
];

const [ANYWHERE, FOR_USERS] = [REFUSED.slice(0, 3), REFUSED.slice(3)];

const ACCEPTED = [
  'there is no domain name',
  'There is no `position`',
  'it is no longer there',
  'an empty answer is no, and "yes" is yes',
  'this is not a domain name',
  'forever, renewed, howsoever',
];

function source(path: string, text: string): SourceFile {
  return { path, home: undefined, text, lines: 1, imports: [], globals: [] };
}

/** A repository with one file. */
function treeWith(path: string, text: string): Tree {
  const isSource = path.endsWith('.ts');
  const isManifest = path.endsWith('package.json');
  const folder = path.replace(/\/package\.json$/, '');
  return {
    files: new Map(isSource ? [[path, source(path, text)]] : []),
    packages: new Map(isManifest ? [[folder, { name: 'x', description: text }]] : []),
    documents: new Map(isSource || isManifest ? [] : [[path, text]]),
    paths: new Set([path]),
  };
}

/** The lines of a file that are refused. */
const refusedLines = (path: string, text: string): string[] =>
  translatedWords(treeWith(path, text)).map(({ where }) => where.slice(path.length + 1));

describe.each(REFUSED)('"%s" is refused', (words) => {
  test.each([
    ['in a comment of an app', 'apps/cli/src/x.ts', `\n// ${words}\n`],
    ['in a test of an app', 'apps/cli/src/x.test.ts', `\n// ${words}\n`],
    ['in a document', 'docs/guides/x.md', `# X\n${words}\n`],
    ['in a README', 'packages/store/README.md', `# X\n${words}\n`],
    ['in a message', 'packages/store/src/x.ts', `\nthrow new Error('${words}');\n`],
    [
      'in a message with a value',
      'packages/store/src/x.ts',
      `\nconst a = \`\${b}: ${words.replaceAll('`', '\\`')}\`;\n`,
    ],
  ])('%s', (_, path, text) => {
    expect(refusedLines(path, text)).toEqual(['2']);
  });

  test('in the description of a package', () => {
    expect(refusedLines('apps/cli/package.json', words)).toEqual(['1']);
  });
});

describe.each([
  ['in a comment of a package', 'packages/store/src/x.ts', (words: string) => `// ${words}\n`],
  ['in a test of a package', 'packages/store/src/x.test.ts', (words: string) => `test('${words}', () => {});\n`],
  ['in a program that no user runs', 'services/src/x.ts', (words: string) => `throw new Error('${words}');\n`],
])('%s', (_, path, textWith) => {
  test.each(ANYWHERE)('"%s" is refused, once', (words) => expect(refusedLines(path, textWith(words))).toEqual(['1']));

  test.each(FOR_USERS)('"%s" is not', (words) => expect(refusedLines(path, textWith(words))).toEqual([]));
});

test.each(REFUSED)('in a document for contributors "%s" is not refused', (words) => {
  expect(refusedLines('CONTRIBUTING.md', `${words}\n`)).toEqual([]);
});

test.each(ACCEPTED)('"%s" is accepted', (words) => {
  expect(refusedLines('docs/x.md', words)).toEqual([]);
});

test('an expression that is continued on the next line is refused, after "there" accepted', () => {
  expect(refusedLines('docs/x.md', 'it lets\ngo of it, and is\nno domain; there\nis no more')).toEqual(['1', '2']);
  expect(refusedLines('apps/cli/src/x.ts', '/**\n * it lasts for\n * ever; there\n * is no end\n */\n')).toEqual(['2']);
});

test('a finding says what to write instead', () => {
  expect(translatedWords(treeWith('docs/x.md', 'made anew'))).toEqual([
    { rule: 'plain-words', where: 'docs/x.md:1', what: '"anew" is not plain English', remedy: 'Write "again"' },
  ]);
});
