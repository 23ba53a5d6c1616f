/** Files of this machine: those that only this user can read, those that only this user can change, and new ones. */
import { randomUUID } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  closeSync,
  fsyncSync,
  linkSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describeExposure, examineFile } from '@certbus/replica';
import { checkRegular, describeFileProblem, makeFolders, readRegular } from '@certbus/store/sqlite-files';
import { RuntimeError, type RuntimeErrorCode } from './errors.ts';

/** How many other processes can take a file that is being written for one that was left behind. */
const MAX_TRIES = 5;

const hasCode = (error: unknown, code: string): boolean =>
  error instanceof Error && 'code' in error && error.code === code;

function describeMissing(path: string): string {
  const isLink = lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink();
  if (!isLink) return 'it does not exist';
  return `it is a symbolic link to ${readlinkSync(path)}, which does not exist; remove the link, or make what it leads to`;
}

function orUnreadable<T>(path: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const why = hasCode(cause, 'ENOENT') ? describeMissing(path) : describeFileProblem(cause, path);
    throw new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${what} cannot be read from ${path}: ${why}.`, { cause });
  }
}

/** Text without the byte order mark that editors on Windows put before it. */
export const withoutMark = (text: string): string => text.replace(/^\ufeff/, '');

/** Reads a text that a command needs, without a byte order mark. Throws `CERTBUS_CLI_FILE_UNREADABLE`. */
export function readFile(path: string, what: string): string {
  return orUnreadable(path, what, () => readRegular(path));
}

/** Refuses a file that names the programs that run here, where others could write it. Throws `CERTBUS_CLI_CONFIG_OPEN`. */
function check(path: string, what: string, { code, isSecret }: { code: RuntimeErrorCode; isSecret: boolean }): void {
  const { refused } = orUnreadable(path, what, () => {
    // Advice about the mode of a secret would lock up a folder, or a device of the system.
    if (isSecret) checkRegular(path);
    return examineFile(path, { isSecret });
  });
  if (refused) throw new RuntimeError(code, `${what} in ${path} is not used: ${describeExposure(refused)}`);
}

/** A comment of a key file, as ours and age-keygen write it, since a password can begin with # as well; or a line of a trust file. */
const PUBLIC_LINE =
  /^(?:# (?:CertBus (?:root|manager) key|created|signing key|recipient|public key): |certbus1 \S+ \S+$|since \d+ \S+ \d+$)/;

/** Whether a text is known to have no secret: a trust file, or the public halves of keys, which are comments in their files. */
export function isPublic(text: string): boolean {
  // Keys are read where their lines end in two characters as well.
  const lines = withoutMark(text)
    .split(/\r?\n|\\n/)
    .map((line) => line.trim())
    .filter((line) => line !== '');
  return lines.length > 0 && lines.every((line) => PUBLIC_LINE.test(line));
}

/**
 * Reads a secret key file. Throws `CERTBUS_CLI_KEY_FILE_OPEN` when others can read or change it, else as {@link readFile}. The mode of what is
 * public is its owner's affair: its parser reports that it is not a key.
 */
export function readKeyFile(path: string, what: string): string {
  try {
    check(path, what, { code: 'CERTBUS_CLI_KEY_FILE_OPEN', isSecret: true });
  } catch (error) {
    const isOpen = error instanceof RuntimeError && error.code === 'CERTBUS_CLI_KEY_FILE_OPEN';
    if (!isOpen) throw error;
    const text = readFile(path, what);
    if (!isPublic(text)) throw error;
    // Anyone who can change the file could have made it another one before it was read again.
    return text;
  }
  return readFile(path, what);
}

/**
 * Refuses what this program obeys where others can change it: a file, or a folder. Throws `CERTBUS_CLI_CONFIG_OPEN`, or
 * `CERTBUS_CLI_FILE_UNREADABLE` where it is not there.
 */
export function checkOwnToWrite(path: string, what: string): void {
  check(path, what, { code: 'CERTBUS_CLI_CONFIG_OPEN', isSecret: false });
}

/** Reads a file that this program obeys. Throws as {@link checkOwnToWrite} and {@link readFile}. */
export function readOwnFile(path: string, what: string): string {
  checkOwnToWrite(path, what);
  return readFile(path, what);
}

/** Makes the names in a folder durable: until then a power cut can take them. Windows cannot flush a folder. */
export function flushFolder(path: string): void {
  if (process.platform === 'win32') return;
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}

/** Makes a folder, and those above it, where they are not there; the names of what was made are on the disk. */
export function makeFolder(path: string): void {
  const first = makeFolders(path, { mode: 0o777 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) flushFolder(dirname(made));
}

/** Names of the unfinished files of a file, all by the one pattern of {@link writeUnfinished}. */
function unfinishedOf(path: string): readonly string[] {
  const prefix = `${basename(path)}.`;
  const isUnfinished = (name: string) =>
    name.startsWith(prefix) && /^[0-9a-f-]{36}\.new$/.test(name.slice(prefix.length));
  return readdirSync(dirname(path)).filter(isUnfinished);
}

/** Removes what writers of a file left next to it when they were killed: half a file, or a second name of a secret. */
export function removeUnfinished(path: string): void {
  for (const name of unfinishedOf(path)) rmSync(join(dirname(path), name), { force: true });
}

/** An error of the system with the file that it is about: of a write that the disk has no room for, Node does not name it. */
function withPath(error: unknown, path: string): unknown {
  if (error instanceof Error && 'syscall' in error && !('path' in error)) return Object.assign(error, { path });
  return error;
}

/** Writes what a file is to hold under another name, on the disk, and hands that name on; removes it, and those that were left behind before. */
function writeUnfinished<T>(
  path: string,
  content: string | Uint8Array,
  mode: number,
  finish: (unfinished: string) => T,
): T {
  removeUnfinished(path);
  for (let tries = 1; ; tries += 1) {
    const unfinished = `${path}.${randomUUID()}.new`;
    try {
      writeFileSync(unfinished, content, { flag: 'wx', mode, flush: true });
      return finish(unfinished);
    } catch (error) {
      // A process that has just begun to write the same file removed this one as a leftover.
      if (!hasCode(error, 'ENOENT') || tries === MAX_TRIES) throw withPath(error, path);
    } finally {
      rmSync(unfinished, { force: true });
    }
  }
}

/**
 * Writes a file unless it is there already; a secret one for this user only. Returns whether it was written. It is there whole and
 * on the disk, or not at all: half a root key that is found again would be a bus that nobody can manage. Its name is on the disk once
 * its folder was flushed, see {@link flushFolder}. Removes what an earlier call left behind when it was killed.
 */
export function writeNew(
  path: string,
  content: string | Uint8Array,
  { isSecret }: { readonly isSecret: boolean },
): boolean {
  return writeUnfinished(path, content, isSecret ? 0o600 : 0o644, (unfinished) => {
    try {
      // A rename would take the place of what another process has just made.
      linkSync(unfinished, path);
      return true;
    } catch (error) {
      if (hasCode(error, 'EEXIST')) return false;
      throw error;
    }
  });
}

/**
 * Writes a file for this user only, in the place of whatever file is there, whole and on the disk; a symbolic link is replaced itself, and
 * what it leads to stays. Its name is on the disk once its folder was flushed. Throws the error of the system.
 */
export function writeOver(path: string, content: string | Uint8Array): void {
  writeUnfinished(path, content, 0o600, (unfinished) => renameSync(unfinished, path));
}

/**
 * Replaces a file by one with the same owner and mode. It is there with the old content or the new one, whole and on the disk; a symbolic link
 * to it stays. Removes what an earlier call left behind when it was killed. Throws the error of the system where that cannot be done here.
 */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const target = realpathSync(path);
  const { mode, uid, gid } = statSync(target);
  writeUnfinished(target, content, 0o600, (unfinished) => {
    const made = statSync(unfinished);
    if (made.uid !== uid || made.gid !== gid) chownSync(unfinished, uid, gid);
    chmodSync(unfinished, mode & 0o7777);
    renameSync(unfinished, target);
  });
  flushFolder(dirname(target));
}
