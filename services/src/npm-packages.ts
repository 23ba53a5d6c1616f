/** Packages of npm, installed into the cache. */
import { cp } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { installOnce } from './install.ts';
import { lockOf } from './locks.ts';
import { run } from './process.ts';

/** npm as somebody would call it in a fresh shell: an npm or pnpm above hands settings down, and puts its Node in front. */
export function freshEnvironment(): Record<string, string> {
  const inherited = Object.keys(process.env).filter((name) => /^p?npm_/i.test(name));
  const path = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => !folder.includes('node_modules'));
  // npm takes an empty setting for none.
  const settings = Object.fromEntries(inherited.map((name) => [name, '']));
  // A log of each call would be left in the user's folder.
  return { ...settings, npm_config_logs_max: '0', PATH: path.join(delimiter) };
}

/**
 * Installs what a folder of `services/locks` pins, by its `package-lock.json`, into the cache, once, and returns its `node_modules`: for what is
 * no dependency of the workspace. Install scripts run only where that is asked for, and build from what was checked. Rejects where a package
 * has another hash.
 */
export async function installPackages(
  name: string,
  {
    scripts = false,
    env: more = {},
  }: { readonly scripts?: boolean; readonly env?: Readonly<Record<string, string>> } = {},
): Promise<string> {
  const { folder: lock, cacheName } = lockOf(name);
  const folder = await installOnce(cacheName, `${name} from npm`, async (unfinished) => {
    const quiet = ['--no-audit', '--no-fund', '--loglevel=error', ...(scripts ? [] : ['--ignore-scripts'])];
    await cp(lock, unfinished, { recursive: true });
    // What a script would download has no hash here.
    const env = { ...freshEnvironment(), npm_config_build_from_source: 'true', ...more };
    await run('npm', ['ci', '--legacy-peer-deps', ...quiet], { cwd: unfinished, env });
  });
  return join(folder, 'node_modules');
}
