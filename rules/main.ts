/** Checks the repository in the working folder, and prints what is wrong. `--fix` draws `docs/architecture.svg` first. */
import { writeFileSync } from 'node:fs';
import { checkTree } from './check.ts';
import { DIAGRAM, drawDiagram } from './diagram/current.ts';
import { describeFinding } from './finding.ts';
import { HOUSE } from './house.ts';
import { readTree } from './tree.ts';

if (process.argv.includes('--fix')) {
  const diagram = drawDiagram(readTree('.'), HOUSE);
  if (diagram !== undefined) writeFileSync(DIAGRAM, diagram);
}
const findings = checkTree(readTree('.'), HOUSE);
for (const finding of findings) console.error(describeFinding(finding));
if (findings.length > 0) process.exitCode = 1;
