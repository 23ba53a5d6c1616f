/** Makes folders. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/** Makes one folder, and returns its path; `undefined` where it is there. */
function makeFolder(path: string, mode: number): string | undefined {
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' && isFolder(path)) return undefined;
    throw error;
  }
}

/**
 * Makes a folder, and those above it, where they are not there, with `mode` each. Returns the first that it made. Throws what the system says.
 * Node's own `recursive` never returns where the system says of a new folder that the one above it is not there although it is, as in `/proc`.
 */
export function makeFolders(path: string, { mode }: { readonly mode: number }): string | undefined {
  try {
    return makeFolder(path, mode);
  } catch (error) {
    const parent = dirname(path);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error;
    const above = isFolder(parent) ? undefined : makeFolders(parent, { mode });
    // Where the one above is there by now, another process has made it.
    const own = makeFolder(path, mode);
    return above ?? own;
  }
}
