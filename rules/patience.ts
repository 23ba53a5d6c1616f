/** Keeps tests from being decided by how busy a machine is: none has less time than `vitest.config.ts` gives to all. */
import { type Node, parseSync, Visitor } from 'oxc-parser';
import type { Finding } from './finding.ts';
import { isTest, type SourceFile, type Tree } from './tree.ts';

/** What takes a limit of its own, by its first name, and the least of it that can be given, milliseconds: that of the configuration. */
const LEAST_MS: Readonly<Record<string, number>> = {
  afterAll: 600_000,
  afterEach: 600_000,
  beforeAll: 600_000,
  beforeEach: 600_000,
  describe: 600_000,
  expect: 240_000,
  test: 600_000,
};

const REMEDY = 'Leave the limit out: vitest.config.ts has one for all, which a busy machine does not reach';

/** Finds limits of tests, hooks and polls that are shorter than those of the configuration, and waits of `vi`, which have a second. */
export const hastyTests = (tree: Tree): Finding[] =>
  [...tree.files.values()].flatMap((file) => (isTest(file.path) ? hasteOf(file) : []));

function hasteOf({ path, text }: SourceFile): Finding[] {
  const findings: Finding[] = [];
  const found = (start: number, what: string, remedy: string) => {
    const line = text.slice(0, start).split('\n').length;
    findings.push({ rule: 'patient-test', where: `${path}:${line}`, what, remedy });
  };
  new Visitor({
    CallExpression({ start, callee, arguments: given }) {
      const name = text.slice(callee.start, callee.end);
      if (/^vi\.wait(?:For|Until)$/.test(name))
        found(start, `${name} gives up after a second`, 'Use expect.poll, whose limit is in vitest.config.ts');
      const owner = firstNameOf(callee);
      const leastMs = LEAST_MS[owner];
      // Behind the function of a test or a hook; what is expected can be any number.
      const last = owner === 'expect' || given.length < 2 ? undefined : numberOf(given.at(-1));
      const limitMs = last ?? given.map(timeoutIn).find((each) => each !== undefined);
      if (leastMs !== undefined && limitMs !== undefined && limitMs < leastMs)
        found(start, `this has a limit of ${limitMs / 1_000} seconds`, REMEDY);
    },
  }).visit(parseSync(path, text).program);
  return findings;
}

/** The name that a chain of calls and members begins with. */
function firstNameOf(node: Node): string {
  if (node.type === 'Identifier') return node.name;
  if (node.type === 'CallExpression') return firstNameOf(node.callee);
  return node.type === 'MemberExpression' ? firstNameOf(node.object) : '';
}

/** The number that is written there. */
const numberOf = (node: Node | undefined): number | undefined =>
  node?.type === 'Literal' && typeof node.value === 'number' ? node.value : undefined;

/** The `timeout` among the options that are written there. */
function timeoutIn(node: Node): number | undefined {
  if (node.type !== 'ObjectExpression') return undefined;
  const limits = node.properties.flatMap((property) =>
    property.type === 'Property' && property.key.type === 'Identifier' && property.key.name === 'timeout'
      ? (numberOf(property.value) ?? [])
      : [],
  );
  return limits[0];
}
