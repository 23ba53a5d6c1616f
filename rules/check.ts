/** All rules that this repository holds itself to and that no published linter knows. */
import { importCycles } from './cycles.ts';
import { outdatedDiagram } from './diagram/current.ts';
import { brokenReferences } from './documents.ts';
import { exportsThatDisagree } from './exports.ts';
import type { Finding } from './finding.ts';
import { staleFloorPlan } from './floor-plan.ts';
import type { House } from './house.ts';
import { hastyTests } from './patience.ts';
import { outdatedPicture } from './pictures.ts';
import { importedAdapters, impureFiles } from './purity.ts';
import { crowdedFolders, oversizedPackages } from './sizes.ts';
import { importedTests } from './test-imports.ts';
import type { Tree } from './tree.ts';
import { translatedWords } from './wording.ts';

const RULES: readonly ((tree: Tree, house: House) => Finding[])[] = [
  staleFloorPlan,
  impureFiles,
  importedAdapters,
  importedTests,
  hastyTests,
  importCycles,
  exportsThatDisagree,
  oversizedPackages,
  crowdedFolders,
  brokenReferences,
  translatedWords,
  outdatedDiagram,
  outdatedPicture,
];

/** What is wrong in a tree, rule by rule. */
export const checkTree = (tree: Tree, house: House): Finding[] => RULES.flatMap((rule) => rule(tree, house));
