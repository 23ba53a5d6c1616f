/** Programs of PyPI, each in a Python environment of its own. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { run } from './process.ts';

/** How pip takes what a list pins, and nothing else: it refuses a file with another hash, and one that the list lacks. */
export function pipArguments(command: 'install' | 'download', list: string): string[] {
  const quiet = ['--quiet', '--disable-pip-version-check'];
  return ['-m', 'pip', command, ...quiet, '--only-binary=:all:', '--require-hashes', '-r', list];
}

/** Why this machine cannot have what a lock pins; `undefined` when it can. */
export function missingPython(lock: string, name: string): string | undefined {
  if (existsSync(cacheFolder(lockOf(lock).cacheName))) return undefined;
  if (!hasProgram('python3')) return `${name} needs Python 3`;
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' });
  return status === 0 ? undefined : `${name} is installed with Python's venv (python3-venv in Debian)`;
}

/**
 * Finds or installs what a lock pins, and returns the Python that has it. Its programs are started as modules: the folder is moved after
 * its scripts were written, which name its old place.
 */
export async function findPython(lock: string, name: string): Promise<string> {
  const { folder: pins, cacheName } = lockOf(lock);
  const install = async (folder: string) => {
    await run('python3', ['-m', 'venv', folder]);
    await run(join(folder, 'bin', 'python'), pipArguments('install', join(pins, 'requirements.txt')));
  };
  return join(await installOnce(cacheName, `${name} from PyPI`, install), 'bin', 'python');
}
