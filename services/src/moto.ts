/** moto, which judges requests to Amazon services. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { cacheFolder, freePort, hasProgram } from './machine.ts';
import { run, startService } from './process.ts';

/** moto's server: the API of Amazon's services as others understand it, on loopback. It has no limits and no DNS. */
export interface Moto {
  readonly endpoint: string;
  readonly pid: number;
  stop(): Promise<void>;
}

const VERSION = '5.2.5';
const FOLDER = `moto-${VERSION}`;

async function install(folder: string): Promise<void> {
  await run('python3', ['-m', 'venv', folder]);
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--only-binary=:all:'];
  await run(join(folder, 'bin', 'python'), [...pip, `moto[server,route53]==${VERSION}`]);
}

/** Why this machine cannot have moto; `undefined` when it can. */
export function missingMoto(): string | undefined {
  if (existsSync(cacheFolder(FOLDER))) return undefined;
  if (!hasProgram('python3')) return 'moto needs Python 3';
  const { status } = spawnSync('python3', ['-c', 'import ensurepip, venv'], { stdio: 'ignore' });
  return status === 0 ? undefined : "moto is installed with Python's venv (python3-venv in Debian)";
}

/** Finds or installs moto and returns the Python that has it. */
export async function findMoto(): Promise<string> {
  return join(await installOnce(FOLDER, `moto ${VERSION} from PyPI`, install), 'bin', 'python');
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
