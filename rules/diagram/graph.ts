/** What the picture of the packages shows: a box for each, and the arrows that do not follow from others. */
import { importedPackages, sourceLines } from '../packages.ts';
import type { Tree } from '../tree.ts';

/** One package or app. */
export interface Box {
  readonly folder: string;
  readonly name: string;
  readonly description: string;
  /** `tests` is what no published package or app needs: the sandbox, and what it and tests alone import. */
  readonly kind: 'package' | 'app' | 'tests';
  /** Source lines, rounded so that the picture does not change with every commit. */
  readonly lines: number;
}

/** Boxes, and arrows from the one that imports to the one that is imported. */
export interface PackageGraph {
  readonly boxes: readonly Box[];
  readonly arrows: ReadonlyMap<string, readonly string[]>;
}

/** The graph of a tree whose packages have no import cycle. What has no sources, such as `benchmarks`, is left out. */
export function createPackageGraph(tree: Tree): PackageGraph {
  const lines = sourceLines(tree);
  const folders = [...lines.keys()].sort();
  const imported = new Map(
    [...importedPackages(tree)].flatMap(([folder, others]) =>
      lines.has(folder) ? [[folder, others.filter((other) => lines.has(other))] as const] : [],
    ),
  );
  const published = new Set<string>();
  const publish = (folder: string): void => {
    published.add(folder);
    for (const other of imported.get(folder) ?? []) publish(other);
  };
  // A published package for tests alone, such as an ACME server, is needed by no app.
  for (const folder of folders) if (isApp(folder) && !tree.packages.get(folder)?.private) publish(folder);

  const boxes = folders.map((folder): Box => {
    const { name = folder, description = '' } = tree.packages.get(folder) ?? {};
    const kind = !published.has(folder) ? 'tests' : isApp(folder) ? 'app' : 'package';
    return { folder, name, description, kind, lines: rounded(lines.get(folder) ?? 0) };
  });
  return { boxes, arrows: withoutImplied(imported) };
}

const isApp = (folder: string): boolean => folder.startsWith('apps/');

/** A number to the nearest five hundred; below a thousand to the nearest hundred, and never to none. */
function rounded(number: number): number {
  const unit = number < 1000 ? 100 : 500;
  return Math.max(unit, Math.round(number / unit) * unit);
}

/** The transitive reduction of a graph without cycles: an arrow that a longer way implies is left out. */
function withoutImplied(graph: ReadonlyMap<string, readonly string[]>): ReadonlyMap<string, readonly string[]> {
  const reaches = (from: string, to: string): boolean =>
    (graph.get(from) ?? []).some((next) => next === to || reaches(next, to));
  return new Map(
    [...graph].map(([node, next]) => [node, next.filter((to) => !next.some((by) => by !== to && reaches(by, to)))]),
  );
}
