/** Small disks of a test's own, which can be full or mounted read-only. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';

/** A disk that ends with the test. */
export interface Disk {
  readonly path: string;
  /** Mounts it read-only, or again for writing. */
  remount(mode: 'ro' | 'rw'): void;
  remove(): void;
}

/** Why this machine cannot have disks for tests; `undefined` where it can. */
export function missingDisks(): string | undefined {
  return process.platform === 'linux' && process.geteuid?.() === 0 ? undefined : 'mounting a disk needs root on Linux';
}

/** Mounts a disk in memory at a path. */
export function mountDisk(path: string, { megabytes = 1 }: { readonly megabytes?: number } = {}): Disk {
  mkdirSync(path, { recursive: true });
  const mount = (...options: readonly string[]) => execFileSync('mount', [...options, path], { stdio: 'pipe' });
  mount('-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs');
  return {
    path,
    remount: (mode) => void mount('-o', `remount,${mode}`),
    remove: () => void execFileSync('umount', ['-l', path]),
  };
}

/** Unmounts the disks that tests have left below a folder, because they were killed. */
export function unmountBelow(folder: string): void {
  const mounted = readFileSync('/proc/self/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((path) => path.startsWith(`${folder}/`));
  for (const path of mounted.reverse()) execFileSync('umount', ['-l', path], { stdio: 'pipe' });
}
