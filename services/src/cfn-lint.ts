/** cfn-lint, which judges templates of CloudFormation by AWS's own schemas: the one that moto is installed with. */
import { spawnSync } from 'node:child_process';
import { findMoto } from './moto.ts';

const PROGRAM = 'import sys; from cfnlint.runner import main; sys.exit(main())';

/** What cfn-lint finds in each of some files, one a line; nothing where a template is in order. */
export async function lintTemplates(files: readonly string[]): Promise<readonly (readonly string[])[]> {
  const python = await findMoto();
  // One process for all: it takes seconds to load the schemas.
  const { stdout, stderr, status } = spawnSync(python, ['-c', PROGRAM, '--format', 'parseable', ...files], {
    encoding: 'utf8',
  });
  const findings = stdout.split('\n').filter(Boolean);
  // 0 is nothing; 2, 4 and 8 are findings; anything else did not lint.
  if (status !== 0 && findings.length === 0) throw new Error(`cfn-lint ended with status ${status}:\n${stderr}`);
  return files.map((file) => findings.filter((finding) => finding.startsWith(`${file}:`)));
}
