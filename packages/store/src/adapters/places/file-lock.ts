/** A lock on a file that ends with the process. */
import { accessSync, closeSync, constants, existsSync, openSync, truncateSync } from 'node:fs';
import { isBusy, isNoDatabase } from '../sqlite-codes.ts';
import { openGuarded } from '../sqlite-guard.ts';

/** The kernel's lock on a file; `undefined` while another one holds it. */
function lockEmpty(path: string): Disposable | undefined {
  const database = openGuarded(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE');
    return { [Symbol.dispose]: () => database.close() };
  } catch (error) {
    database.close();
    if (isBusy(error)) return undefined;
    throw error;
  }
}

/**
 * Takes a lock that the kernel releases the moment this process ends, however it ends: SQLite's exclusive one, on an empty file
 * that stays where it is, since removing it would let two processes each lock one of their own. `undefined` while another process
 * holds it; throws where the file cannot be made.
 *
 * @param options.isOwn whether nobody else can have a file of that name, as in a state folder: then it is emptied where a disk wrote into it.
 */
export function lockFile(path: string, { isOwn = false }: { readonly isOwn?: boolean } = {}): Disposable | undefined {
  // Closing any descriptor of the file would release the locks that this process has on it.
  if (!existsSync(path)) closeSync(openSync(path, 'a', 0o600));
  // Where it cannot be written, SQLite would take a shared lock and call it exclusive.
  accessSync(path, constants.R_OK | constants.W_OK);
  try {
    return lockEmpty(path);
  } catch (error) {
    if (!isOwn || !isNoDatabase(error)) throw error;
    // That was read behind a shared lock, so that nobody, this process neither, has the file locked.
    truncateSync(path);
    return lockEmpty(path);
  }
}
