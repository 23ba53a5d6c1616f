/** moto, which judges requests to Amazon services. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, freePort, hasProgram } from './machine.ts';
import { run, startService } from './process.ts';

/** moto's server: the API of Amazon's services as others understand it, on loopback. It has no limits and no DNS. */
export interface Moto {
  readonly endpoint: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const LOCK = 'moto';

async function install(folder: string): Promise<void> {
  await run('python3', ['-m', 'venv', folder]);
  await run(join(folder, 'bin', 'python'), pipArguments('install', join(lockOf(LOCK).folder, 'requirements.txt')));
}

/** How pip takes what a list pins, and nothing else: it refuses a file with another hash, and one that the list lacks. */
export function pipArguments(command: 'install' | 'download', list: string): string[] {
  const quiet = ['--quiet', '--disable-pip-version-check'];
  return ['-m', 'pip', command, ...quiet, '--only-binary=:all:', '--require-hashes', '-r', list];
}

/** Why this machine cannot have moto; `undefined` when it can. */
export function missingMoto(): string | undefined {
  if (existsSync(cacheFolder(lockOf(LOCK).cacheName))) return undefined;
  if (!hasProgram('python3')) return 'moto needs Python 3';
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' });
  return status === 0 ? undefined : "moto is installed with Python's venv (python3-venv in Debian)";
}

/** Finds or installs moto and returns the Python that has it. */
export async function findMoto(): Promise<string> {
  return join(await installOnce(lockOf(LOCK).cacheName, 'moto from PyPI', install), 'bin', 'python');
}

/** Starts moto's server, installing it first where it was never used. */
export async function startMoto(): Promise<Moto> {
  const python = await findMoto();
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  // As a module: the folder was moved after its scripts were written, which name its old place.
  const { pid, stop } = await startService(python, ['-m', 'moto.server', '-p', String(port)], {
    isReady: async () => (await fetch(`${endpoint}/moto-api/`)).ok,
  });
  return { endpoint, pid, stop };
}
