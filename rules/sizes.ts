/** Holds packages and folders to a size at which a reader finds things: past it, a package or a room is missing. */
import type { Finding } from './finding.ts';
import type { House } from './house.ts';
import { sourceLines } from './packages.ts';
import type { Tree } from './tree.ts';

/** Finds packages and apps with too large a share of the source lines. */
export function oversizedPackages(tree: Tree, { largestShare }: House): Finding[] {
  const lines = sourceLines(tree);
  const total = [...lines.values()].reduce((sum, each) => sum + each, 0);
  return [...lines].flatMap(([folder, own]) => {
    if (own <= total * largestShare) return [];
    const what = `it holds ${own} of ${total} source lines, more than ${largestShare * 100} %`;
    return { rule: 'package-share', where: folder, what, remedy: 'Move what wants to be its own package out of it' };
  });
}

/** Finds folders with too many entries. */
export function crowdedFolders(tree: Tree, { entries }: House): Finding[] {
  return Object.entries(entries).flatMap(([folder, most]) => {
    const held = [...tree.paths].filter((path) => path.slice(0, path.lastIndexOf('/')) === folder).length;
    const what = `it holds ${held} entries, more than ${most}`;
    return held > most ? { rule: 'folder-entries', where: folder, what, remedy: 'Give some of them a room' } : [];
  });
}
