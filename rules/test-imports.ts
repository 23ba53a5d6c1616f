/** Holds sources apart from tests: what is published or run imports no test, no builder, and no package that only tests have. */
import type { Finding } from './finding.ts';
import { isSource, isTest, type Tree } from './tree.ts';

/** Finds sources that import tests, builders or devDependencies, types included. */
export function importedTests(tree: Tree): Finding[] {
  return [...tree.files.values()].flatMap(({ path, home, imports }) => {
    if (!isSource(path)) return [];
    const { dependencies, peerDependencies, devDependencies } = tree.packages.get(home ?? '') ?? {};
    const isForTests = (name: string) =>
      devDependencies?.[name] !== undefined && !dependencies?.[name] && !peerDependencies?.[name];
    return imports.flatMap(({ specifier, line, target = specifier }) => {
      const where = `${path}:${line}`;
      if (isTest(target)) {
        const remedy = 'Move what both need into a source';
        return { rule: 'test-import', where, what: `this source imports a test, ${specifier}`, remedy };
      }
      if (!isForTests(packageOf(specifier))) return [];
      const what = `this source imports ${specifier}, which package.json lists under devDependencies`;
      return { rule: 'test-import', where, what, remedy: 'Do without it, or list it under dependencies' };
    });
  });
}

/** The name of the package that a specifier begins with. */
const packageOf = (specifier: string): string => /^(?:@[^/]+\/)?[^/]+/.exec(specifier)?.[0] ?? specifier;
