/** Installs packages of this workspace as users will: packed as they are published, into an empty folder, by npm. */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freshEnvironment } from './npm-packages.ts';
import { run } from './process.ts';
import { checkInstalled, overridesOf, readWorkspaceLock } from './workspace-lock.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Manifest {
  readonly name: string;
  readonly packageManager?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

async function readManifest(folder: string): Promise<Manifest> {
  return JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as Manifest;
}

/** Folders of the workspace's packages, by their names. */
async function workspaceFolders(): Promise<ReadonlyMap<string, string>> {
  const rooms = await Promise.all(
    ['packages', 'apps'].map(async (room) => (await readdir(join(ROOT, room))).map((each) => join(ROOT, room, each))),
  );
  const named = rooms.flat().map(async (folder) => [(await readManifest(folder)).name, folder] as const);
  return new Map(await Promise.all(named));
}

/** Folders of a package and of all that it depends on in this workspace. */
async function closureOf(name: string): Promise<readonly string[]> {
  const folders = await workspaceFolders();
  const found = new Set<string>();
  const open = [name];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const folder = folders.get(next);
    if (folder === undefined) throw new TypeError(`The workspace has no package ${next}`);
    if (found.has(folder)) continue;
    found.add(folder);
    const { dependencies = {} } = await readManifest(folder);
    open.push(...Object.keys(dependencies).filter((each) => folders.has(each)));
  }
  return [...found];
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
  for (const each of await closureOf(name)) {
    if (!(await readdir(each)).includes('dist'))
      throw new Error(`${each} is not built: run "npm test", or turbo run build`);
    await runPnpm(['pack', '--pack-destination', tarballs], each);
  }
  const locked = readWorkspaceLock(ROOT);
  const isNew = await beginProject(folder, overridesOf(locked));
  const files = (await readdir(tarballs)).map((file) => join(tarballs, file));
  const args = ['install', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', ...files];
  await run('npm', args, { cwd: folder, env: freshEnvironment() });
  if (isNew) checkInstalled(folder, locked);
}
