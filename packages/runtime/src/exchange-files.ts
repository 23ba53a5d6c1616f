/** Files that people carry between machines: requests to the root key, what it signed, and keys that were sealed again. */
import { lstatSync } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describeFileProblem, openRegular } from '@certbus/store/sqlite-files';
import { RuntimeError } from './errors.ts';
import { flushFolder, readFile, writeNew } from './key-files.ts';

/** A line of such a file is thousands of times shorter. */
const MAX_LINE_BYTES = 1_000_000;
const LINE_FEED = 10;

function unreadable(path: string, what: string, why: string, cause?: unknown): RuntimeError {
  return new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${what} cannot be read from ${path}: ${why}.`, { cause });
}

function alreadyThere(path: string, what: string): RuntimeError {
  const message = `${what} is not written: ${path} exists already. Remove it, or choose another name.`;
  return new RuntimeError('CERTBUS_CLI_FILE_EXISTS', message);
}

/** A link that came with other files could lead to any file of this machine. */
function refuseLink(path: string, what: string): void {
  if (lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink())
    throw unreadable(path, what, 'it is a symbolic link; name the file itself');
}

/**
 * Reads a file that came from another machine: a regular one of up to 16 MiB, and not a symbolic link. Throws `CERTBUS_CLI_FILE_UNREADABLE`.
 */
export function readExchanged(path: string, what: string): string {
  refuseLink(path, what);
  return readFile(path, what);
}

/** Writes a file for another machine, never over one that is there. Throws `CERTBUS_CLI_FILE_EXISTS`, and the error of the system. */
export function writeExchanged(path: string, text: string, what: string): void {
  if (!writeNew(path, text, { isSecret: false })) throw alreadyThere(path, what);
  flushFolder(dirname(path));
}

async function openExchanged(path: string, what: string): Promise<FileHandle> {
  refuseLink(path, what);
  try {
    return await openRegular(path);
  } catch (cause) {
    throw unreadable(path, what, describeFileProblem(cause, path), cause);
  }
}

/** The lines of a file that is too large to be read at once. Rejects as {@link readExchanged} throws, and for a line of more than a megabyte. */
export async function* readExchangedLines(path: string, what: string): AsyncGenerator<string> {
  const file = await openExchanged(path, what);
  try {
    let rest = Buffer.alloc(0);
    for await (const chunk of file.createReadStream({ autoClose: false })) {
      let text = Buffer.concat([rest, chunk]);
      for (let end = text.indexOf(LINE_FEED); end >= 0; end = text.indexOf(LINE_FEED)) {
        yield text.toString('utf8', 0, end);
        text = text.subarray(end + 1);
      }
      if (text.length > MAX_LINE_BYTES) throw unreadable(path, what, 'it has a line of more than a megabyte');
      rest = text;
    }
    if (rest.length > 0) yield rest.toString();
  } finally {
    await file.close();
  }
}

/** Writes a file line by line, never over one that is there; removes it where that fails. Rejects as {@link writeExchanged} throws. */
export async function writeExchangedLines(path: string, lines: AsyncIterable<string>, what: string): Promise<void> {
  let file: FileHandle;
  try {
    file = await open(path, 'wx', 0o644);
  } catch (error) {
    throw error instanceof Error && 'code' in error && error.code === 'EEXIST' ? alreadyThere(path, what) : error;
  }
  try {
    for await (const line of lines) await file.write(`${line}\n`);
    await file.sync();
  } catch (error) {
    await rm(path, { force: true });
    throw error;
  } finally {
    await file.close();
  }
  flushFolder(dirname(path));
}
