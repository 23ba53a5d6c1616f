/** Opens files by paths at which somebody else may have put a pipe, a socket or a device: opening or reading one could never end. */
import { closeSync, constants, fstatSync, openSync, readFileSync, type Stats, statSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

/** Windows has no such flag, and no such files. */
const NONBLOCK: number = constants.O_NONBLOCK ?? 0;

/** A pipe or a file that this process was started with: standard input, or `<(…)` of a shell. It is meant, and waited for. */
const OWN_DESCRIPTOR = /^\/(?:dev\/(?:stdin|fd\/\d+)|proc\/(?:self|\d+)\/fd\/\d+)$/;

function check(path: string, stats: Stats): void {
  if (stats.isFile()) return;
  const code = stats.isDirectory() ? 'EISDIR' : 'ENOTREG';
  throw Object.assign(new Error(`${code}: not a regular file, open '${path}'`), { code });
}

/**
 * Throws an error with the code `ENOTREG`, or `EISDIR`, where there is something else than a regular file at a path. A path with nothing at it
 * passes, and so does a descriptor of this process (`/dev/fd/N`).
 */
export function checkRegular(path: string): void {
  if (OWN_DESCRIPTOR.test(path)) return;
  const stats = statSync(path, { throwIfNoEntry: false });
  if (stats) check(path, stats);
}

/**
 * Opens a regular file to read, or with `flags` such as `O_RDWR | O_CREAT`; never waits for another process. Rejects with the error of the
 * system, and with the code `ENOTREG` or `EISDIR` for anything else than a regular file.
 */
export async function openRegular(
  path: string,
  flags: number = constants.O_RDONLY,
  mode?: number,
): Promise<FileHandle> {
  const file = await open(path, flags | NONBLOCK, mode);
  try {
    // What was opened is asked, not the path: that can lead elsewhere by now.
    check(path, await file.stat());
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Text in UTF-8, or as its byte order mark says in UTF-16, which PowerShell and editors on Windows write. Without the mark. */
export function textOf(bytes: Uint8Array): string {
  const [first, second] = bytes;
  if (first === 0xff && second === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  return new TextDecoder(first === 0xfe && second === 0xff ? 'utf-16be' : 'utf-8').decode(bytes);
}

/** Keys, roots and configurations are thousands of times smaller. */
const MAX_TEXT_BYTES = 16_777_216;

/**
 * The text of a regular file of up to 16 MiB, or of a pipe that this process was started with, as {@link textOf} reads it. Throws as {@link openRegular} rejects, and with
 * the code `EFBIG` for a larger file.
 */
export function readRegular(path: string): string {
  if (OWN_DESCRIPTOR.test(path)) return textOf(readFileSync(path));
  const file = openSync(path, constants.O_RDONLY | NONBLOCK);
  try {
    const stats = fstatSync(file);
    check(path, stats);
    if (stats.size > MAX_TEXT_BYTES)
      throw Object.assign(new Error(`EFBIG: larger than 16 MiB, read '${path}'`), { code: 'EFBIG' });
    return textOf(readFileSync(file));
  } finally {
    closeSync(file);
  }
}
