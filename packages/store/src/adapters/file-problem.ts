/** Why a file, of SQLite or any other, cannot be opened, locked or written, in words. */
import { accessSync, closeSync, constants, existsSync, openSync, statfsSync } from 'node:fs';
import { dirname } from 'node:path';

/** What an operator can do something about. */
export type FileProblem =
  | 'busy'
  | 'damaged'
  | 'full'
  | 'read-only'
  | 'denied'
  | 'too-many-open'
  | 'disk'
  | 'missing'
  | 'folder'
  | 'exists'
  | 'special'
  | 'large';

/** By the code of an error of the operating system. */
const BY_NAME: Readonly<Record<string, FileProblem>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EROFS: 'read-only',
  EACCES: 'denied',
  EPERM: 'denied',
  EMFILE: 'too-many-open',
  ENFILE: 'too-many-open',
  EIO: 'disk',
  ENOENT: 'missing',
  ENOTDIR: 'missing',
  EISDIR: 'folder',
  EEXIST: 'exists',
  ENOTREG: 'special',
  ENXIO: 'special',
  EFBIG: 'large',
};

/** By SQLite's primary result code (sqlite.org/rescode.html). */
const BY_NUMBER: Readonly<Record<number, FileProblem>> = {
  3: 'denied',
  5: 'busy',
  6: 'busy',
  8: 'read-only',
  10: 'disk',
  11: 'damaged',
  13: 'full',
  14: 'denied',
  26: 'damaged',
};

const ADVICE: Readonly<Record<FileProblem, string>> = {
  busy: 'another process holds it',
  damaged: 'the file is damaged',
  full: 'its disk is full; make room',
  'read-only': 'its disk is mounted read-only',
  denied: 'this user has no access to it; check owner and mode of the file and its folder',
  'too-many-open': 'this process has too many open files; raise its limit (ulimit -n)',
  disk: 'its disk reports an error; look at the system log',
  missing: 'the file or its folder does not exist; check the path',
  folder: 'it is a folder; name a file',
  special: 'it is not a regular file, but a pipe, a socket or a device; name a file',
  large: 'it is larger than any file of its kind; name another file',
  exists: 'it exists already; move it away, or choose another name',
};

/** What the operating system says when the file, or one beside it, is opened for writing: SQLite only says that it could not. */
function probe(path: string): FileProblem | undefined {
  try {
    accessSync(dirname(path), constants.W_OK);
    if (existsSync(path)) accessSync(path, constants.R_OK | constants.W_OK);
    closeSync(openSync(dirname(path), 'r'));
    return statfsSync(dirname(path)).bavail === 0 ? 'full' : undefined;
  } catch (error) {
    return error instanceof Error && 'code' in error ? BY_NAME[String(error.code)] : undefined;
  }
}

/** What an error of SQLite or of the operating system means for a file; `undefined` for any other error. */
export function fileProblemOf(error: unknown, path: string): FileProblem | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('errcode' in error && typeof error.errcode === 'number') {
    const primary = error.errcode & 0xff;
    const isVague = primary === 14 || primary === 8 || primary === 10;
    return (isVague ? probe(path) : undefined) ?? BY_NUMBER[primary];
  }
  return 'code' in error ? BY_NAME[String(error.code)] : undefined;
}

/** An error about a file in words, with what to do; without the file's name. */
export function describeFileProblem(error: unknown, path: string): string {
  const problem = fileProblemOf(error, path);
  const message = error instanceof Error ? error.message : String(error);
  return problem ? `${ADVICE[problem]} (${message})` : message;
}
