/** Holds the floor plan to the tree, so that no rule goes blind when a file moves. */
import type { Finding } from './finding.ts';
import type { House } from './house.ts';
import { adapterImportsOf, impuritiesOf } from './purity.ts';
import type { Tree } from './tree.ts';

/** Finds packages that the floor plan leaves out, places in it that do not exist, and files in it that need no exception. */
export function staleFloorPlan(tree: Tree, house: House): Finding[] {
  const { packages, adapters, shared, entries } = house;
  const excused = Object.entries(packages).flatMap(([folder, { io, composition }]) =>
    [io, composition].flatMap((places) => (places === 'everything' ? [] : places.map((at) => `${folder}/src/${at}`))),
  );
  const missing = [...tree.packages.keys()].filter((folder) => folder.startsWith('packages/') && !packages[folder]);
  const gone = [...Object.keys(packages), ...excused, ...adapters, ...shared, ...Object.keys(entries)].filter(
    (path) => !tree.paths.has(path.replace(/\/$/, '')),
  );
  const pure = excused.filter((path) => {
    const file = tree.files.get(path);
    return file && impuritiesOf(file, house).length + adapterImportsOf(file, house).length === 0;
  });
  const found = (where: string, what: string, remedy: string): Finding => ({ rule: 'floor-plan', where, what, remedy });
  return [
    ...missing.map((at) => found(at, 'rules/house.ts does not name this package', 'Write there where it does I/O')),
    ...gone.map((at) => found(at, 'rules/house.ts names it, and it does not exist', 'Write there where it is now')),
    ...pure.map((at) => found(at, 'rules/house.ts excuses it, and it is pure', 'Remove it there')),
  ];
}
