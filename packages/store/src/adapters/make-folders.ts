/** Makes folders. */
import { mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

/**
 * Makes a folder, and those above it, where they are not there, with `mode` each. Returns the first that it made. Throws what the system says.
 * Node's own `recursive` never returns where the system says of a new folder that the one above it is not there although it is, as in `/proc`.
 */
export function makeFolders(path: string, { mode }: { readonly mode: number }): string | undefined {
  try {
    mkdirSync(path, { mode });
    return path;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code !== 'ENOENT' && isFolder(path)) return undefined;
    if (code !== 'ENOENT' || isFolder(dirname(path))) throw error;
    const above = makeFolders(dirname(path), { mode });
    const own = makeFolders(path, { mode });
    return above ?? own;
  }
}
