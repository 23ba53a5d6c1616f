/** Bundles the sources of the command line, so that tests which start it hundreds of times do not load its 500 files each time. */
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type Plugin, rolldown } from 'rolldown';

const CLI = fileURLToPath(new URL('../../apps/cli', import.meta.url));
const INPUT = {
  certbus: join(CLI, 'bin/bundled.js'),
  commands: join(CLI, 'src/commands/index.ts'),
  'command-not-found': join(CLI, 'src/hooks/command-not-found.ts'),
};

/** Sources find the files next to them as if they were not bundled: `package.json`, the writing thread. */
const KEEP_PLACES: Plugin = {
  name: 'keep-places',
  transform(code, file) {
    if (file.includes('/node_modules/') || !code.includes('import.meta.url')) return null;
    return code.replaceAll('import.meta.url', JSON.stringify(pathToFileURL(file).href));
  },
};

/** Bundles it into a folder, with everything that it imports, and returns the path of the program. */
export async function bundleCommandLine(folder: string): Promise<string> {
  const bundle = await rolldown({
    input: INPUT,
    platform: 'node',
    resolve: { conditionNames: ['certbus:source', 'node', 'import', 'default'] },
    plugins: [KEEP_PLACES],
    logLevel: 'silent',
  });
  await bundle.write({ dir: folder, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name]-[hash].mjs' });
  await bundle.close();
  return join(folder, 'certbus.mjs');
}
