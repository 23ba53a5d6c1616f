/** Copies of the sources in which mutants are tried, so that the working tree is never changed. */
import { cpSync, mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { basename, join, relative } from 'node:path';

/** What is made of the sources, or is no part of them. */
const LEFT_OUT = new Set(['.git', '.turbo', 'coverage', 'dist']);
/** What a run writes next to the packages that are installed. */
const WRITTEN_BY_RUNS = new Set(['.cache', '.vite', '.vite-temp', '.vitest']);

/**
 * Copies a repository into an empty folder. The packages of others are links to where they are installed; those of the workspace are links
 * within the copy, so that a change to one is seen by all.
 */
export function copySources(root: string, folder: string): void {
  cpSync(root, folder, {
    recursive: true,
    verbatimSymlinks: true,
    filter: (path) => !LEFT_OUT.has(basename(path)) && relative(root, path) !== 'node_modules',
  });
  const [installed, linked] = [join(root, 'node_modules'), join(folder, 'node_modules')];
  mkdirSync(linked);
  for (const name of readdirSync(installed))
    if (!WRITTEN_BY_RUNS.has(name)) symlinkSync(join(installed, name), join(linked, name));
}
