/** What the sources of each package and app import of the others. */
import { isSource, type Tree } from './tree.ts';

/** The packages and apps that each one's sources import, sorted, without itself. What tests alone import is left out. */
export function importedPackages(tree: Tree): ReadonlyMap<string, readonly string[]> {
  const imported = new Map([...tree.packages.keys()].map((folder) => [folder, new Set<string>()]));
  for (const { path, home, imports } of tree.files.values()) {
    if (home === undefined || !isSource(path)) continue;
    for (const { target } of imports) {
      const other = target && tree.files.get(target)?.home;
      if (other && other !== home) imported.get(home)?.add(other);
    }
  }
  return new Map([...imported].map(([folder, others]) => [folder, [...others].sort()]));
}

/** The source lines of each package and app: TypeScript in `src`, without tests and builders. */
export function sourceLines(tree: Tree): ReadonlyMap<string, number> {
  const lines = new Map<string, number>();
  for (const file of tree.files.values())
    if (file.home !== undefined && isSource(file.path)) lines.set(file.home, (lines.get(file.home) ?? 0) + file.lines);
  return lines;
}
