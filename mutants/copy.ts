/** Copies of the sources in which mutants are tried, so that the working tree is never changed. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, relative } from 'node:path';
import { createRunner, type Runner } from './run.ts';

/** What is made of the sources, or is no part of them. */
const LEFT_OUT = new Set(['.git', '.turbo', 'coverage', 'dist']);
/** What a run writes next to the packages that are installed. */
const WRITTEN_BY_RUNS = new Set(['.cache', '.vite', '.vite-temp', '.vitest', '.vitest-cache']);

/** A copy of the sources, whose tests run as it is at that time. */
export interface Copy extends Pick<Runner, 'run'> {
  read(file: string): string;
  write(file: string, text: string): void;
  /** Ends what runs in it, and removes it. */
  remove(): Promise<void>;
}

/**
 * Copies a repository into an empty folder. The packages of others are links to where they are installed; those of the workspace are links
 * within the copy, so that a change to one is seen by all.
 */
function copySources(root: string, folder: string): void {
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

/** Copies a repository into a temporary folder. */
export function makeCopy(root: string): Copy {
  const folder = mkdtempSync(join(tmpdir(), 'certbus-mutants-'));
  const runner = createRunner(folder);
  copySources(root, folder);
  return {
    read: (file) => readFileSync(join(folder, file), 'utf8'),
    write: (file, text) => writeFileSync(join(folder, file), text),
    run: runner.run,
    async remove() {
      await runner.end();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
