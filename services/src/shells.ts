/** zsh and fish, which complete command lines by what programs print for them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { debianPackageFolder, installDebianPackages, libraryPath } from './debian-packages.ts';
import { hasProgram } from './machine.ts';

const SHELLS = 'shells';
const PACKAGES = {
  zsh: '5.9-4+b15',
  'zsh-common': '5.9-4',
  fish: '3.6.0-3.1+deb12u1',
  'libpcre2-32-0': '10.42-1+deb12u2',
} as const;

/** Why this machine cannot have zsh and fish; `undefined` when it can. */
export function missingShells(): string | undefined {
  if (existsSync(debianPackageFolder(SHELLS))) return undefined;
  return hasProgram('apt-get') ? undefined : "zsh and fish are unpacked from Debian's packages, which needs apt-get";
}

/** Shells of Debian, in a folder of their own. */
export interface Shells {
  readonly zsh: string;
  /** What zsh has to run first, to find its modules and functions. */
  readonly zshBegins: string;
  readonly fish: string;
  /** What both need in their environment. */
  readonly env: Readonly<Record<string, string>>;
}

/** Finds or installs Debian's zsh and fish. */
export async function findShells(): Promise<Shells> {
  const folder = await installDebianPackages(SHELLS, PACKAGES);
  const at = (...names: readonly string[]) => join(folder, ...names);
  const modules = at('usr', 'lib', 'x86_64-linux-gnu', 'zsh', '5.9');
  return {
    zsh: at('bin', 'zsh'),
    zshBegins: `module_path=('${modules}'); fpath=('${at('usr', 'share', 'zsh', 'functions')}'/**/*(/))`,
    fish: at('usr', 'bin', 'fish'),
    env: libraryPath(folder),
  };
}
