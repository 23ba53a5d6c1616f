/** Checks the repository in the working folder, and prints what is wrong. `--fix` draws `docs/architecture.svg` and the dark picture first. */
import { writeFileSync } from 'node:fs';
import { checkTree } from './check.ts';
import { DIAGRAM, drawDiagram } from './diagram/current.ts';
import { describeFinding } from './finding.ts';
import { HOUSE } from './house.ts';
import { DARK, darkPicture } from './pictures.ts';
import { readTree } from './tree.ts';

if (process.argv.includes('--fix')) {
  const tree = readTree('.');
  const drawings = [[DIAGRAM, drawDiagram(tree, HOUSE)] as const, [DARK, darkPicture(tree)] as const];
  for (const [file, drawing] of drawings) if (drawing !== undefined) writeFileSync(file, drawing);
}
const findings = checkTree(readTree('.'), HOUSE);
for (const finding of findings) console.error(describeFinding(finding));
if (findings.length > 0) process.exitCode = 1;
