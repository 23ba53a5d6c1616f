/** Files of this machine: those that only this user can read, those that only this user can change, and new ones. */
import { randomUUID } from 'node:crypto';
import { chmodSync, chownSync, linkSync, realpathSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { describeExposure, examineFile } from '@certbus/replica';
import { describeFileProblem, readRegular } from '@certbus/store/sqlite-files';
import { RuntimeError, type RuntimeErrorCode } from './errors.ts';

function orUnreadable<T>(path: string, what: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'ENOENT'
        ? 'it does not exist'
        : describeFileProblem(cause, path);
    throw new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${what} cannot be read from ${path}: ${why}.`, { cause });
  }
}

/** Text without the byte order mark that editors on Windows put before it. */
export const withoutMark = (text: string): string => text.replace(/^\ufeff/, '');

/** Reads a text that a command needs, without a byte order mark. Throws `CERTBUS_CLI_FILE_UNREADABLE`. */
export function readFile(path: string, what: string): string {
  return withoutMark(orUnreadable(path, what, () => readRegular(path)));
}

/** Refuses a file that names the programs that run here, where others could write it. Throws `CERTBUS_CLI_CONFIG_OPEN`. */
function check(path: string, what: string, { code, isSecret }: { code: RuntimeErrorCode; isSecret: boolean }): void {
  const { refused } = orUnreadable(path, what, () => examineFile(path, { isSecret }));
  if (refused) throw new RuntimeError(code, `${what} in ${path} is not used: ${describeExposure(refused)}`);
}

/** Reads a secret key file. Throws `CERTBUS_CLI_KEY_FILE_OPEN` when others can read or change it, else as {@link readFile}. */
export function readKeyFile(path: string, what: string): string {
  check(path, what, { code: 'CERTBUS_CLI_KEY_FILE_OPEN', isSecret: true });
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

/**
 * Writes a file unless it is there already; a secret one for this user only. Returns whether it was written. It is there whole and
 * on the disk, or not at all: half a root key that is found again would be a bus that nobody can manage.
 */
export function writeNew(path: string, text: string, { isSecret }: { readonly isSecret: boolean }): boolean {
  const unfinished = `${path}.${randomUUID()}.new`;
  try {
    writeFileSync(unfinished, text, { flag: 'wx', mode: isSecret ? 0o600 : 0o644, flush: true });
    // A rename would take the place of what another process has just made.
    linkSync(unfinished, path);
    return true;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(unfinished, { force: true });
  }
}

/**
 * Replaces a file by one with the same owner and mode. It is there with the old text or the new one, whole and on the disk; a symbolic link
 * to it stays. Throws the error of the system where that cannot be done here.
 */
export function replaceFile(path: string, text: string): void {
  const target = realpathSync(path);
  const { mode, uid, gid } = statSync(target);
  const unfinished = `${target}.${randomUUID()}.new`;
  try {
    writeFileSync(unfinished, text, { flag: 'wx', mode: 0o600, flush: true });
    const made = statSync(unfinished);
    if (made.uid !== uid || made.gid !== gid) chownSync(unfinished, uid, gid);
    chmodSync(unfinished, mode & 0o7777);
    renameSync(unfinished, target);
  } finally {
    rmSync(unfinished, { force: true });
  }
}
