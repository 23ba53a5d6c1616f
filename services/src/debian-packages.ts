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

/** Unpacks some of Debian's packages into a folder: `name`, or `name=version`. */
export function unpackDebianPackages(wanted: readonly string[], folder: string): Promise<void> {
  return unpack(['download', ...wanted], folder);
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
 * Installs a package of an exact version, whose SHA-256 is in `services/locks/debian`, into a cache folder of its own, once, and returns that
 * folder. Rejects where the file has another hash.
 */
export function installDebianPackage(name: string, version: string): Promise<string> {
  const list = join(lockOf(LOCK).folder, 'packages.sha256');
  return installOnce(cacheNameOf(name), `Debian's ${name} ${version}`, (folder) =>
    unpack(['download', `${name}=${version}`], folder, (archives, files) => checkHashes(archives, files, list)),
  );
}
