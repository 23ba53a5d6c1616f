/** HAProxy, started. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { unpackDebianPackages } from './debian-packages.ts';
import { installOnce } from './install.ts';
import { isListening, type Listening } from './listening.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { type Service, startService } from './process.ts';

const FOLDER = 'haproxy-debian';
/** HAProxy, and what it is linked to that a bare Debian lacks. */
const PACKAGES = ['haproxy', 'liblua5.3-0', 'libopentracing-c-wrapper0', 'libopentracing1'];

/** A program that was unpacked, and the environment that it needs. */
interface Program {
  readonly command: string;
  readonly env: Readonly<Record<string, string>>;
}

/** Why this machine cannot have HAProxy; `undefined` when it can. */
export function missingHaproxy(): string | undefined {
  if (existsSync(cacheFolder(FOLDER))) return undefined;
  return hasProgram('apt-get') ? undefined : "HAProxy is unpacked from Debian's package, which needs apt-get";
}

/** Finds or installs Debian's HAProxy. */
export async function findHaproxy(): Promise<Program> {
  const folder = await installOnce(FOLDER, "Debian's HAProxy", (to) => unpackDebianPackages(PACKAGES, to));
  const libraries = ['usr/lib', 'lib'].map((root) => join(folder, root, 'x86_64-linux-gnu'));
  return { command: join(folder, 'usr', 'sbin', 'haproxy'), env: { LD_LIBRARY_PATH: libraries.join(':') } };
}

/** Starts HAProxy with a configuration file, until it listens. */
export async function startHaproxy(file: string, at: Listening): Promise<Service> {
  const { command, env } = await findHaproxy();
  return startService(command, ['-db', '-f', file], { env, isReady: () => isListening(at) });
}
