/** Files that people carry between machines: requests to the root key, what it signed, and keys that were sealed again. */
import { lstatSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from './errors.ts';
import { flushFolder, readFile, writeNew } from './key-files.ts';

/**
 * Reads a file that came from another machine: a regular one of up to 16 MiB, and not a symbolic link, which could lead to a file of this
 * machine. Throws `CERTBUS_CLI_FILE_UNREADABLE`.
 */
export function readExchanged(path: string, what: string): string {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
    throw new RuntimeError(
      'CERTBUS_CLI_FILE_UNREADABLE',
      `${what} cannot be read from ${path}: it is a symbolic link. Name the file itself.`,
    );
  return readFile(path, what);
}

/** Writes a file for another machine, never over one that is there. Throws `CERTBUS_CLI_FILE_EXISTS`, and the error of the system. */
export function writeExchanged(path: string, text: string, what: string): void {
  if (!writeNew(path, text, { isSecret: false })) {
    const message = `${what} is not written: ${path} exists already. Remove it, or choose another name.`;
    throw new RuntimeError('CERTBUS_CLI_FILE_EXISTS', message);
  }
  flushFolder(dirname(path));
}
