/** Keeps what users read in plain English: refuses expressions that only a translation would use. */
import { parseSync, Visitor } from 'oxc-parser';
import type { Finding } from './finding.ts';
import { isSource, type SourceFile, type Tree } from './tree.ts';

interface Expression {
  /** Finds it, also where it is continued on the next line. */
  readonly pattern: RegExp;
  readonly remedy: string;
}

/** A run of text that readers see, and the line that it begins at. */
interface Prose {
  readonly where: string;
  readonly firstLine: number;
  readonly text: string;
}

/** What is between two words: spaces, a line's end, and what begins the next line of a comment or a quotation. */
const GAP = String.raw`[\s*/>]+`;

/** Words after "is no" that are not nouns. */
const ADVERBS = 'longer|more|less|fewer|better|worse|different|sooner|later|further';

function expression(words: string, remedy: string): Expression {
  return { pattern: new RegExp(String.raw`\b${words.replaceAll(' ', GAP)}\b`, 'gi'), remedy };
}

/** What comments and tests do not say either. */
const ANYWHERE: readonly Expression[] = [
  expression('for ever', 'Write "permanently"'),
  expression('anew', 'Write "again"'),
  expression('whoever', 'Write "anyone who", or name the person'),
];

const EXPRESSIONS: readonly Expression[] = [
  expression('let(?:s|ting)? go of', 'Write "release"'),
  expression('ends well', 'Write "exits 0", or "succeeds"'),
  expression('must be a text', 'Write "must be a string"'),
  expression('is to stand', 'Write "define it", "put it" or "must be"'),
  {
    pattern: new RegExp(
      String.raw`(?<!\bthere${GAP})\bis${GAP}no${GAP}(?!(?:${ADVERBS})\b)(?=\\?[\p{L}\x60$<])`,
      'giu',
    ),
    remedy: 'Write "is not a", or "there is no"',
  },
];

/** Where these words are listed, and tested. */
const isAboutWords = (path: string): boolean => path.startsWith('rules/wording');

/**
 * Finds these expressions in apps, documents, READMEs, the messages of packages, and the descriptions of package.json files; some of them
 * in all sources.
 */
export function translatedWords(tree: Tree): Finding[] {
  const prose = proseOf(tree);
  const sources = [...tree.files.values()].filter(({ path }) => !isAboutWords(path));
  return [
    ...find(EXPRESSIONS, prose),
    ...find(
      ANYWHERE,
      prose.filter(({ where }) => !tree.files.has(where)),
    ),
    ...find(
      ANYWHERE,
      sources.map(({ path, text }) => ({ where: path, firstLine: 1, text })),
    ),
  ];
}

function find(expressions: readonly Expression[], prose: readonly Prose[]): Finding[] {
  return prose.flatMap(({ where, firstLine, text }) =>
    expressions.flatMap(({ pattern, remedy }) =>
      [...text.matchAll(pattern)].map(({ 0: found, index }) => {
        const line = firstLine + text.slice(0, index).split('\n').length - 1;
        const what = `"${found.replaceAll(new RegExp(GAP, 'g'), ' ').trim()}" is not plain English`;
        return { rule: 'plain-words', where: `${where}:${line}`, what, remedy };
      }),
    ),
  );
}

/** Whether every text of a Markdown document is for users. */
const isForUsers = (document: string): boolean => /^docs\/.*\.md$|(?:^|\/)README\.md$/.test(document);

function proseOf({ files, documents, packages }: Tree): Prose[] {
  const sources = [...files.values()];
  const inApps = sources.filter(({ path }) => /^apps\/[^/]+\/src\//.test(path));
  const inPackages = sources.filter(({ path }) => path.startsWith('packages/') && isSource(path));
  return [
    ...inApps.map(({ path, text }) => ({ where: path, firstLine: 1, text })),
    ...inPackages.flatMap(messagesOf),
    ...[...documents].flatMap(([where, text]) => (isForUsers(where) ? [{ where, firstLine: 1, text }] : [])),
    ...[...packages].flatMap(([folder, { description: text }]) =>
      text === undefined ? [] : [{ where: `${folder}/package.json`, firstLine: 1, text }],
    ),
  ];
}

/** The strings and templates of a source, which is where messages are. A template's values are left out. */
function messagesOf({ path, text }: SourceFile): Prose[] {
  // The tree costs far more than a search, and few files have anything to find.
  if (!EXPRESSIONS.some(({ pattern }) => text.search(pattern) >= 0)) return [];
  const found: Prose[] = [];
  const add = (value: string, start: number) =>
    found.push({ where: path, firstLine: text.slice(0, start).split('\n').length, text: value });
  new Visitor({
    Literal({ value, start }) {
      if (typeof value === 'string') add(value, start);
    },
    TemplateLiteral({ quasis, start }) {
      add(quasis.map(({ value }) => value.cooked ?? '').join('$'), start);
    },
  }).visit(parseSync(path, text).program);
  return found;
}
