/** Packages of npm, installed into the cache. */
import { writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { installOnce } from './install.ts';
import { run } from './process.ts';

/** npm as somebody would call it in a fresh shell: an npm or pnpm above hands settings down, and puts its Node in front. */
export function freshEnvironment(): Record<string, string> {
  const inherited = Object.keys(process.env).filter((name) => /^p?npm_/i.test(name));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  // npm takes an empty setting for none.
  return { ...Object.fromEntries(inherited.map((name) => [name, ''])), PATH: path.join(delimiter) };
}

/**
 * Installs packages of exact versions into a cache folder of their own, once, and returns their `node_modules`: for what is no
 * dependency of the workspace. Their install scripts run only where that is asked for.
 */
export async function installPackages(
  name: string,
  packages: readonly string[],
  { scripts = false }: { readonly scripts?: boolean } = {},
): Promise<string> {
  const folder = await installOnce(name, `${packages.join(', ')} from npm`, async (unfinished) => {
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', ...(scripts ? [] : ['--ignore-scripts'])];
    // Says where to install, as --prefix would; that would also hide the machine's own settings.
    await writeFile(join(unfinished, 'package.json'), '{}');
    const args = ['install', '--no-save', '--no-package-lock', '--legacy-peer-deps', ...quiet, ...packages];
    await run('npm', args, { cwd: unfinished, env: freshEnvironment() });
  });
  return join(folder, 'node_modules');
}
