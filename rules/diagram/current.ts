/** Holds the checked-in picture of the packages to the code. */
import { knots } from '../cycles.ts';
import type { Finding } from '../finding.ts';
import type { House } from '../house.ts';
import { importedPackages } from '../packages.ts';
import type { Tree } from '../tree.ts';
import { createPackageGraph } from './graph.ts';
import { drawGraph } from './svg.ts';

/** Where the picture is, from the repository's root. */
export const DIAGRAM = 'docs/architecture.svg';

/** The picture as the code has it now; `undefined` while packages import one another, since it has no order then. */
export function drawDiagram(tree: Tree, { largestShare }: House): string | undefined {
  return knots(importedPackages(tree)).length > 0 ? undefined : drawGraph(createPackageGraph(tree), { largestShare });
}

/** Finds a picture that the code no longer looks like. */
export function outdatedDiagram(tree: Tree, house: House): Finding[] {
  const drawn = drawDiagram(tree, house);
  if (drawn === undefined || tree.documents.get(DIAGRAM) === drawn) return [];
  const what = 'the picture is not what the code looks like';
  return [{ rule: 'diagram', where: DIAGRAM, what, remedy: 'Run `npm run fix`, and look at it' }];
}
