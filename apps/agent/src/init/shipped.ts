/** Whether files of this package that root uses are root's alone. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { examineRootFile } from '@certbus/replica';
import type { TargetType } from './answers.ts';

/** Where the files of this package for balancers are. */
export interface Shipped {
  /** Scripts that nginx reads as root. */
  readonly scripts: string;
  /** Units and a rule for polkit. */
  readonly systemd: string;
}

/**
 * Why root had better not use the files of this package that the lines for a target name: a sentence with what to do, where another user could change
 * them, as in a package that a user installed for himself; else `undefined`.
 */
export function shippedProblem(type: TargetType, { scripts, systemd }: Shipped): string | undefined {
  const used = { nginx: scripts, 'nginx-files': systemd, haproxy: undefined, files: undefined }[type];
  if (used === undefined) return undefined;
  const files = readdirSync(used).map((name) => examineRootFile(join(used, name)).refused);
  const refused = files.find((each) => each !== undefined);
  if (!refused) return undefined;
  return `Root uses the files in ${used}, and another user can change them: ${refused.path} ${refused.what}. Install the package as root, or copy that folder to where only root can write, and name the copy in these lines.`;
}
