/** Which commit the long tests measured, and whether what they measure has changed since. */
import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
/** What the long tests measure. */
const MEASURED = ['packages/events', 'packages/store', 'packages/replica', 'packages/client', 'packages/manager'];

function git(...args: readonly string[]): string {
  return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] }).trim();
}

/** The commit that is checked out, and whether files differ from it, as the page says it. */
export function checkedOut(): string {
  const commit = git('rev-parse', '--short=12', 'HEAD');
  return git('status', '--porcelain', '--', 'packages') === '' ? commit : `${commit}, with changes`;
}

/** Whether only the end of the history is here, as in most clones of a CI. */
export const isShallow = (): boolean => git('rev-parse', '--is-shallow-repository') === 'true';

/** How many commits changed what is measured since this one; `undefined` where the history does not reach back to it. */
export function changesSince(commit: string): number | undefined {
  try {
    return Number(git('rev-list', '--count', `${commit}..HEAD`, '--', ...MEASURED));
  } catch {
    return undefined;
  }
}
