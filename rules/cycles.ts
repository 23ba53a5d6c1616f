/** Finds import cycles: a file or a package that needs itself by way of others, types included. */
import type { Finding } from './finding.ts';
import { importedPackages } from './packages.ts';
import type { Tree } from './tree.ts';

type Graph = ReadonlyMap<string, readonly string[]>;

/** One finding for each knot of files, and for each knot of packages, with a shortest way around it. */
export function importCycles(tree: Tree): Finding[] {
  const files = new Map(
    [...tree.files].map(([path, { imports }]) => [path, imports.flatMap(({ target }) => target ?? [])]),
  );
  const remedy = 'Move what both need into a file that imports neither';
  const found = (graph: Graph, what: string) =>
    knots(graph).map((knot) => {
      const around = shortestCycle(graph, knot);
      const where = around[0] ?? '';
      return { rule: 'import-cycle', where, what: `${what} import one another: ${around.join(' -> ')}`, remedy };
    });
  return [...found(files, 'these files'), ...found(importedPackages(tree), 'these packages')];
}

/** The strongly connected components of a graph that hold a cycle (Tarjan 1972). */
export function knots(graph: Graph): string[][] {
  const order = new Map<string, number>();
  const lowest = new Map<string, number>();
  const open: string[] = [];
  const isOpen = new Set<string>();
  const found: string[][] = [];

  function visit(node: string): void {
    const index = order.size;
    order.set(node, index);
    lowest.set(node, index);
    open.push(node);
    isOpen.add(node);
    for (const next of graph.get(node) ?? []) {
      if (!order.has(next)) visit(next);
      if (isOpen.has(next)) lowest.set(node, Math.min(lowest.get(node) ?? 0, lowest.get(next) ?? 0));
    }
    if (lowest.get(node) !== index) return;
    const knot = open.splice(open.indexOf(node));
    for (const member of knot) isOpen.delete(member);
    if (knot.length > 1 || graph.get(node)?.includes(node)) found.push(knot.sort());
  }

  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}

/** A shortest way from the first member of a knot back to it, breadth first; both ends are named. */
function shortestCycle(graph: Graph, knot: readonly string[]): string[] {
  const [start = ''] = knot;
  const members = new Set(knot);
  const queue: string[][] = [[start]];
  const seen = new Set<string>();
  for (const way of queue)
    for (const next of graph.get(way.at(-1) ?? '') ?? []) {
      if (next === start) return [...way, start];
      if (!members.has(next) || seen.has(next)) continue;
      seen.add(next);
      queue.push([...way, next]);
    }
  return [start];
}
