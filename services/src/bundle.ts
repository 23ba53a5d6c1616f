/** Bundles sources that tests start hundreds of times, so that not every start loads hundreds of files. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const CLI = at('apps/cli');
/** Starts a thread from the file next to it, which is bundled as well: a thread loads its files by itself. */
const STARTS_THREAD = at('packages/replica/src/writer/thread.ts');
const INPUT = {
  certbus: join(CLI, 'bin/bundled.js'),
  commands: join(CLI, 'src/commands/index.ts'),
  'command-not-found': join(CLI, 'src/hooks/command-not-found.ts'),
  help: join(CLI, 'src/help/help.ts'),
  'thread.worker': at('packages/replica/src/writer/thread.worker.ts'),
};
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
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }');
  await bundle.close();
}

/** Bundles the command line into a folder, with everything that it imports, and returns the path of the program. */
export async function bundleCommandLine(folder: string): Promise<string> {
  await bundleInto(folder, INPUT);
  return join(folder, 'certbus.js');
}

/** Bundles the thread that writes a replica into a folder, with everything that it imports, and returns its URL. */
export async function bundleThread(folder: string): Promise<string> {
  await bundleInto(folder, { 'thread.worker': INPUT['thread.worker'] });
  return pathToFileURL(join(folder, 'thread.worker.js')).href;
}
