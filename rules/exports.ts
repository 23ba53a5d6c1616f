/** Holds each package.json to one list of entries: what is published is what is used here, without the sources. */
import { isDeepStrictEqual } from 'node:util';
import type { Finding } from './finding.ts';
import type { Entry, Tree } from './tree.ts';

/** Finds entries that are published otherwise than they are used here, and entries that name a wrong file. */
export function exportsThatDisagree(tree: Tree): Finding[] {
  return [...tree.packages].flatMap(([folder, { private: isPrivate, exports = {}, publishConfig }]) => {
    if (isPrivate) return [];
    const published = publishConfig?.exports ?? {};
    const subpaths = new Set([...Object.keys(exports), ...Object.keys(published)]);
    return [...subpaths].flatMap((subpath) => {
      const { source, rest } = partsOf(exports[subpath]);
      const found = (what: string, remedy: string) => [
        { rule: 'exports', where: `${folder}/package.json`, what: `"${subpath}" ${what}`, remedy },
      ];
      if (!isDeepStrictEqual(published[subpath], rest)) {
        const remedy = rest ? `Write ${JSON.stringify(rest)} there` : 'Remove it there';
        return found('differs in publishConfig.exports', remedy);
      }
      if (source === undefined) return [];
      if (!tree.paths.has(`${folder}/${source.slice(2)}`))
        return found(`names ${source}, which does not exist`, 'Name the file, or remove the entry');
      const built = builtFrom(source);
      return isDeepStrictEqual(rest, built)
        ? []
        : found(`names other files than ${source} is built into`, `Write ${JSON.stringify(built)}`);
    });
  });
}

/** An entry's source, and what is left of the entry once it is published. */
function partsOf(entry: Entry | undefined): { source: string | undefined; rest: Entry | undefined } {
  if (typeof entry !== 'object') return { source: undefined, rest: entry };
  const { 'certbus:source': source, ...rest } = entry;
  return { source, rest };
}

/** What the compiler makes of a source file, as conditions of an entry. */
function builtFrom(source: string): Entry {
  const built = source.replace(/^\.\/src\//, './dist/').replace(/\.ts$/, '');
  return { types: `${built}.d.ts`, default: `${built}.js` };
}
