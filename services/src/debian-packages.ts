/** Installs a Debian package where a test needs one. */
import { readdirSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { installOnce } from './install.ts';
import { run } from './process.ts';

/**
 * Unpacks one of Debian's packages into a folder: `name`, or `name=version`. Works without root, and where no package list was ever
 * fetched: apt gets folders of its own.
 */
export async function unpackDebianPackage(wanted: string, folder: string): Promise<void> {
  const lists = join(folder, 'lists');
  const archives = join(folder, 'archives');
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(archives, 'partial'), { recursive: true });
  const own = [`Dir::State::Lists=${lists}`, `Dir::Cache=${folder}`, `Dir::Cache::archives=${archives}`].flatMap(
    (option) => ['-o', option],
  );
  const user = ['-o', 'APT::Sandbox::User=', '-o', 'Debug::NoLocking=1'];
  await run('apt-get', [...own, ...user, 'update']);
  await run('apt-get', [...own, ...user, 'download', wanted], { cwd: archives });
  for (const file of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    await run('dpkg-deb', ['-x', join(archives, file), folder]);
  }
  await run('rm', ['-r', lists, archives]);
}

/** Installs a package of an exact version into a cache folder of its own, once, and returns that folder. */
export function installDebianPackage(name: string, version: string): Promise<string> {
  return installOnce(`${name}-debian-${version}`, `Debian's ${name} ${version}`, (folder) =>
    unpackDebianPackage(`${name}=${version}`, folder),
  );
}
