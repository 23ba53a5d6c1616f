/** strace, which shows what a program asks of the kernel. */
import { execFileSync } from 'node:child_process';

/** Why this machine cannot trace programs; `undefined` where it can. */
export function missingStrace(): string | undefined {
  if (process.platform !== 'linux') return 'strace is for Linux';
  try {
    execFileSync('strace', ['-qq', '-o', '/dev/null', 'true'], { stdio: 'pipe' });
    return undefined;
  } catch (error) {
    const isThere = error instanceof Error && 'code' in error && error.code !== 'ENOENT';
    return isThere ? 'this machine does not let programs be traced' : "Debian's package strace is not installed";
  }
}
