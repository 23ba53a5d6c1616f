import { randomUUID } from 'node:crypto';
import { linkSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { RuntimeError } from './errors.ts';

/** Reads a file that a command needs. Throws `CERTBUS_CLI_FILE_UNREADABLE`. */
export function readFile(path: string, what: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const why =
      cause instanceof Error && 'code' in cause && cause.code === 'ENOENT' ? 'it does not exist' : String(cause);
    throw new RuntimeError('CERTBUS_CLI_FILE_UNREADABLE', `${what} cannot be read from ${path}: ${why}.`, { cause });
  }
}

/** Reads a secret key file. Throws `CERTBUS_CLI_KEY_FILE_OPEN` when others may read it. */
export function readKeyFile(path: string, what: string): string {
  const text = readFile(path, what);
  if (process.platform !== 'win32' && (statSync(path).mode & 0o077) !== 0) {
    const message = `${what} in ${path} can be read by others. Make it yours alone with "chmod 600 ${path}".`;
    throw new RuntimeError('CERTBUS_CLI_KEY_FILE_OPEN', message);
  }
  return text;
}

/** Refuses a file that says which programs run here, where others could write it. Throws `CERTBUS_CLI_CONFIG_OPEN`. */
export function checkOwnToWrite(file: string): void {
  if (process.platform === 'win32') return;
  for (const path of [file, dirname(file)]) {
    const { mode, uid } = statSync(path);
    if ((mode & 0o022) === 0 && (uid === 0 || uid === process.getuid?.())) continue;
    const message = `${path} can be written by others, who could have their programs run as you. Make it yours with "chmod go-w ${path}", or "chown".`;
    throw new RuntimeError('CERTBUS_CLI_CONFIG_OPEN', message);
  }
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
