/** Installs a Debian package where a test needs one. */
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { checkHashes, lockOf } from './locks.ts';
import { cacheFolder } from './machine.ts';
import { run } from './process.ts';

const LOCK = 'debian';

/**
 * Fetches packages by a command of apt, and unpacks them. Works without root, and where no package list was ever fetched: apt gets folders
 * of its own, and checks what it fetches against the lists that Debian signed.
 */
async function unpack(
  command: readonly string[],
  folder: string,
  check: (archives: string, files: readonly string[]) => void = () => {},
): Promise<void> {
  const lists = join(folder, 'lists');
  const archives = join(folder, 'archives');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const own = [`Dir::State::Lists=${lists}`, `Dir::Cache=${folder}`, `Dir::Cache::archives=${archives}`].flatMap(
    (option) => ['-o', option],
  );
  const user = ['-o', 'APT::Sandbox::User=', '-o', 'Debug::NoLocking=1'];
  await run('apt-get', [...own, ...user, 'update']);
  await run('apt-get', [...own, ...user, ...command], { cwd: archives });
  const files = readdirSync(archives).filter((name) => name.endsWith('.deb'));
  check(archives, files);
  for (const file of files) {
    await run('dpkg-deb', ['-x', join(archives, file), folder]);
  }
  await run('rm', ['-r', lists, archives]);
}

/**
 * Unpacks programs into a folder, with all that they depend on and this machine does not have. They have no hash of ours: Debian replaces a
 * browser every week and keeps none of those before.
 */
export function unpackDebianPrograms(names: readonly string[], folder: string): Promise<void> {
  return unpack(['install', '--download-only', '--no-install-recommends', '--yes', ...names], folder);
}

const cacheNameOf = (name: string) => `${name}-${lockOf(LOCK).cacheName}`;

/** Where a package is, or will be once it is installed. */
export function debianPackageFolder(name: string): string {
  return cacheFolder(cacheNameOf(name));
}

/**
 * Installs packages of exact versions, whose SHA-256 are in `services/locks/debian`, into one cache folder, once, and returns that folder.
 * Rejects where a file has another hash.
 *
 * @param name of the folder, by itself in the cache.
 * @param versions by the name of the package.
 */
export function installDebianPackages(name: string, versions: Readonly<Record<string, string>>): Promise<string> {
  const list = join(lockOf(LOCK).folder, 'packages.sha256');
  const wanted = Object.entries(versions).map(([each, version]) => `${each}=${version}`);
  return installOnce(cacheNameOf(name), `Debian's ${wanted.join(', ')}`, (folder) =>
    unpack(['download', ...wanted], folder, (archives, files) => checkHashes(archives, files, list)),
  );
}

/** Installs one package as {@link installDebianPackages}. */
export const installDebianPackage = (name: string, version: string): Promise<string> =>
  installDebianPackages(name, { [name]: version });

/** What finds the libraries of packages that were unpacked into a folder. */
export const libraryPath = (folder: string): Readonly<Record<string, string>> => ({
  LD_LIBRARY_PATH: ['usr/lib', 'lib'].map((root) => join(folder, root, 'x86_64-linux-gnu')).join(':'),
});
