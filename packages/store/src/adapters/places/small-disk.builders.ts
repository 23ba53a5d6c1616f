import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

/** A disk of one megabyte in a folder of its own; `undefined` where this machine does not let us have one. */
export function smallDisk(path: string): { readonly path: string; remove(): void } | undefined {
  if (process.geteuid?.() !== 0 || process.platform !== 'linux') return undefined;
  mkdirSync(path, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', path], { stdio: 'ignore' });
  } catch {
    return undefined;
  }
  return { path, remove: () => execFileSync('umount', [path]) };
}
