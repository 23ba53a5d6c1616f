/** Bundles sources that tests start hundreds of times, so that not every start loads hundreds of files. */
import { globSync } from 'node:fs';
import { copyFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';
import { run } from './process.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/** The programs of this workspace that oclif runs: the folders of their packages, and whether oclif loads plug-ins for them. */
const COMMAND_LINES = {
  certbus: { app: at('apps/cli'), hasPlugins: false },
  'certbus-agent': { app: at('apps/agent'), hasPlugins: true },
};
export type CommandLine = keyof typeof COMMAND_LINES;
/** Starts a thread from the file next to it, which is bundled as well: a thread loads its files by itself. */
const STARTS_THREAD = at('packages/replica/src/writer/thread.ts');
const THREAD = { 'thread.worker': at('packages/replica/src/writer/thread.worker.ts') };

/** What oclif loads by its path, laid out as the build does, and the program. */
function inputOf(name: CommandLine): Readonly<Record<string, string>> {
  const { app } = COMMAND_LINES[name];
  const sources = globSync(['commands/**/*.ts', 'hooks/command-not-found.ts', 'help/help.ts'], {
    cwd: join(app, 'src'),
    exclude: ['**/*.test.ts'],
  });
  const loaded = sources.map((file) => [`dist/${file.replace(/\.ts$/, '')}`, join(app, 'src', file)]);
  return { ...Object.fromEntries(loaded), ...THREAD, [name]: join(app, 'bin/bundled.js') };
}

/** The variable with the URL of the bundled thread that writes a replica, for processes that have `bundled-thread.mjs` imported; empty for none. */
export const BUNDLED_THREAD = 'CERTBUS_TESTS_BUNDLED_THREAD';

/** Sources find the files of their package as if they were not bundled. */
const KEEP_PLACES: Plugin = {
  name: 'keep-places',
  transform(code, file) {
    if (file === STARTS_THREAD || file.includes('/node_modules/') || !code.includes('import.meta.url')) return null;
    return code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(file).href));
  },
};

async function bundleInto(folder: string, input: Readonly<Record<string, string>>): Promise<void> {
  const bundle = await rolldown({
    input,
    platform: 'node',
    resolve: { conditionNames: ['certbus:source', 'node', 'import', 'default'] },
    plugins: [KEEP_PLACES],
    logLevel: 'silent',
  });
  await bundle.write({ dir: folder, format: 'esm', entryFileNames: '[name].js', chunkFileNames: '[name]-[hash].js' });
  await bundle.close();
}

/** Bundles a command line into a folder, with everything that it imports, and returns the path of the program. */
export async function bundleCommandLine(name: CommandLine, folder: string): Promise<string> {
  const { app, hasPlugins } = COMMAND_LINES[name];
  await bundleInto(folder, inputOf(name));
  await copyFile(join(app, 'package.json'), join(folder, 'package.json'));
  if (hasPlugins) await symlink(join(app, 'node_modules'), join(folder, 'node_modules'));
  await run(join(app, 'node_modules/.bin/oclif'), ['manifest', folder], { cwd: folder });
  return join(folder, `${name}.js`);
}

async function bundleModule(folder: string, input: Readonly<Record<string, string>>): Promise<void> {
  await bundleInto(folder, input);
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
}

/** Bundles a program of these sources, by its path in the workspace, with everything that it imports, and returns the path of the bundle. */
export async function bundleProgram(program: string, folder: string): Promise<string> {
  await bundleModule(folder, { ...THREAD, program: at(program) });
  return join(folder, 'program.js');
}

/** Bundles the thread that writes a replica into a folder, with everything that it imports, and returns its URL. */
export async function bundleThread(folder: string): Promise<string> {
  await bundleModule(folder, THREAD);
  return pathToFileURL(join(folder, 'thread.worker.js')).href;
}
