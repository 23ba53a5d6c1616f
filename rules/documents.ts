/** Holds the documents to the tree: relative links, paths and entries of packages that they name exist. */
import { posix } from 'node:path';
import type { Finding } from './finding.ts';
import type { Tree } from './tree.ts';

/** Finds links and paths in Markdown that lead nowhere. Blocks of code are not looked at. */
export function brokenReferences(tree: Tree): Finding[] {
  const markdown = [...tree.documents].filter(([document]) => document.endsWith('.md'));
  return markdown.flatMap(([document, text]) =>
    text
      .replace(/^```.*?^```/gms, (block) => block.replace(/[^\n]/g, ''))
      .split('\n')
      .flatMap((line, index) => {
        const found = (what: string, remedy: string) => [
          { rule: 'document-reference', where: `${document}:${index + 1}`, what, remedy },
        ];
        return [
          ...[...line.matchAll(/\]\(([^)\s]+)\)/g)].flatMap(([, link = '']) =>
            leadsSomewhere(tree, document, link) ? [] : found(`the link ${link} leads nowhere`, 'Link what exists'),
          ),
          ...[...line.matchAll(/`([^`\s]+)`/g)].flatMap(([, code = '']) =>
            exists(tree, code) ? [] : found(`\`${code}\` does not exist`, 'Name it as it is now'),
          ),
        ];
      }),
  );
}

function leadsSomewhere({ paths, documents }: Tree, document: string, link: string): boolean {
  if (/^[a-z]+:/.test(link)) return true;
  const [path = '', anchor] = link.split('#');
  const target = path === '' ? document : posix.join(posix.dirname(document), path).replace(/\/$/, '');
  if (!paths.has(target)) return false;
  return anchor === undefined || anchorsOf(documents.get(target) ?? '').has(anchor);
}

/** The anchors of a document's headings, as GitHub makes them. */
const anchorsOf = (text: string): Set<string> =>
  new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
      heading
        .toLowerCase()
        .replace(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );

/** Whether a piece of code names nothing of this repository, or something that is there: a path, a file's name, an entry of a package. */
function exists({ paths, packages }: Tree, code: string): boolean {
  const [, name = '', subpath = ''] = /^(@certbus\/[a-z0-9-]+)(?:\/([a-z0-9-/]+))?$/.exec(code) ?? [];
  if (name !== '') {
    const manifest = [...packages.values()].find((each) => each.name === name);
    return manifest !== undefined && (subpath === '' || manifest.exports?.[`./${subpath}`] !== undefined);
  }
  const [top = ''] = code.split('/');
  const isPath = code.includes('/') && paths.has(top);
  const isFile = /^[\w./-]+\.(?:ts|md)$/.test(code) && !/^x\./.test(code);
  if (!isPath && !isFile) return true;
  const path = code.replace(/\/$/, '');
  if (path.includes('*')) return [...paths].some((each) => posix.matchesGlob(each, path));
  return paths.has(path) || [...paths].some((each) => each.endsWith(`/${path}`));
}
