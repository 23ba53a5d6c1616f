/** Installs packages of this workspace as users will: packed as they are published, into an empty folder, by npm. */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshEnvironment } from './npm-packages.ts';
import { run } from './process.ts';
import { checkInstalled, overridesOf, readWorkspaceLock } from './workspace-lock.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly packageManager?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Runs pnpm of the version that the workspace names, without the hash that corepack checks: npx takes the name and version alone. */
export async function runPnpm(args: readonly string[], cwd: string = ROOT): Promise<void> {
  const { packageManager = 'pnpm' } = await readManifest(ROOT);
  const [program = packageManager] = packageManager.split('+');
  await run('npx', ['-y', '--allow-scripts=pnpm', program, ...args], { cwd, env: freshEnvironment() });
}

/** Makes a folder a project of npm with the dependencies that this workspace was tested with, unless it is one; whether it was made. */
async function beginProject(folder: string, overrides: Readonly<Record<string, object>>): Promise<boolean> {
  const manifest = JSON.stringify({ private: true, type: 'module', overrides });
  try {
    await writeFile(join(folder, 'package.json'), `${manifest}\n`, { flag: 'wx' });
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Packs a built package of this workspace, and all that it depends on here, and installs them into `folder`, which is made, and keeps
 * its `package.json` if it has one. In a folder without one, dependencies are those of the workspace's lockfile: of its versions, and
 * checked by its hashes. Rejects where a package was not built, or where a dependency is another one.
 */
export async function installPacked(name: string, folder: string): Promise<void> {
  const tarballs = join(folder, 'tarballs');
  await mkdir(tarballs, { recursive: true });
  await runPnpm([`--filter-prod=${name}...`, 'pack', '--pack-destination', tarballs]);
  const locked = readWorkspaceLock(ROOT);
  const isNew = await beginProject(folder, overridesOf(locked));
  const files = (await readdir(tarballs)).map((file) => join(tarballs, file));
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...files];
  await run('npm', args, { cwd: folder, env: freshEnvironment() });
  const { dependencies = {} } = await readManifest(folder);
  for (const [each, from] of Object.entries(dependencies))
    if (from.startsWith('file:tarballs/') && !existsSync(join(folder, 'node_modules', each, 'dist')))
      throw new Error(`${each} is not built: run "npm test", or turbo run build`);
  if (isNew) checkInstalled(folder, locked);
}
