/** Bundles sources that tests start hundreds of times, so that not every start loads hundreds of files. */
import { globSync } from 'node:fs';
import { copyFile, symlink, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { type ChunkingContext, type Plugin, rolldown } from 'rolldown';
import { run } from './process.ts';

const at = (path: string) => fileURLToPath(new URL(`../../${path}`, import.meta.url));
/**
 * The programs of this workspace that oclif runs: the folders of their packages, whether oclif loads plug-ins for them, and what most
 * of their commands load whole.
 */
const COMMAND_LINES = {
  certbus: {
    app: at('apps/cli'),
    hasPlugins: false,
    loadedWhole: [
      'apps/cli/src/help/help.ts',
      'apps/cli/src/base-command.ts',
      'packages/runtime/src/with-picture.ts',
      'packages/store/src/adapters/sqlite/sqlite.ts',
      'packages/runtime/src/index.ts',
    ],
  },
  'certbus-agent': {
    app: at('apps/agent'),
    hasPlugins: true,
    loadedWhole: [
      'apps/agent/src/command-line/base-command.ts',
      'apps/agent/src/agent.ts',
      'packages/store/src/adapters/sqlite/sqlite.ts',
    ],
  },
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
  return { ...Object.fromEntries(loaded), [name]: join(app, 'bin/bundled.js') };
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

/** A file and all that is loaded with it. */
function loadedWith(file: string, context: ChunkingContext, found = new Set<string>()): ReadonlySet<string> {
  if (found.has(file)) return found;
  found.add(file);
  for (const imported of context.getModuleInfo(file)?.importedIds ?? []) loadedWith(imported, context, found);
  return found;
}

/**
 * Puts each of some files, and what is loaded with it and not with one before it, into one file of the bundle. Otherwise there is one for
 * each set of commands that load the same: eighty for most of them, of which each takes Node a third of a millisecond.
 */
function inOneFileEach(files: readonly string[]) {
  let wholes: readonly (readonly [name: string, ids: ReadonlySet<string>])[] | undefined;
  const name = (id: string, context: ChunkingContext) => {
    wholes ??= files.map((file) => {
      if (!context.getModuleInfo(at(file))) throw new Error(`${file} is in "loadedWhole", and no command loads it.`);
      return [basename(file, '.ts'), loadedWith(at(file), context)];
    });
    return id.includes('/node_modules/') ? null : (wholes.find(([, ids]) => ids.has(id))?.[0] ?? null);
  };
  return { includeDependenciesRecursively: false, groups: [{ debugName: 'whole', name }] };
}

async function bundleInto(
  folder: string,
  input: Readonly<Record<string, string>>,
  loadedWhole: readonly string[] = [],
): Promise<void> {
  const bundle = await rolldown({
    input,
    platform: 'node',
    resolve: { conditionNames: ['certbus:source', 'node', 'import', 'default'] },
    plugins: [KEEP_PLACES],
    logLevel: 'silent',
  });
  await bundle.write({
    dir: folder,
    format: 'esm',
    entryFileNames: '[name].js',
    chunkFileNames: '[name]-[hash].js',
    ...(loadedWhole.length > 0 ? { codeSplitting: inOneFileEach(loadedWhole) } : {}),
  });
  await bundle.close();
}

/** Bundles a command line into a folder, with everything that it imports, and returns the path of the program. */
export async function bundleCommandLine(name: CommandLine, folder: string): Promise<string> {
  const { app, hasPlugins, loadedWhole } = COMMAND_LINES[name];
  await bundleInto(folder, inputOf(name), loadedWhole);
  // By itself: a thread loads no more than it runs.
  await bundleInto(folder, THREAD);
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
  await bundleModule(folder, { program: at(program) });
  await bundleInto(folder, THREAD);
  return join(folder, 'program.js');
}

/** Bundles the thread that writes a replica into a folder, with everything that it imports, and returns its URL. */
export async function bundleThread(folder: string): Promise<string> {
  await bundleModule(folder, THREAD);
  return pathToFileURL(join(folder, 'thread.worker.js')).href;
}
