/** SQLite's result codes, for the adapters that open a file of it: the bus, and the lock of an export. */

/** SQLite's primary result code (sqlite.org/rescode.html); `undefined` for anything that is not an error of SQLite. */
export function resultCode(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('errcode' in error) || typeof error.errcode !== 'number') return undefined;
  return error.errcode & 0xff;
}

/** Whether another connection held the lock: nothing was done, and it can be tried again (SQLITE_BUSY). */
export function isBusy(error: unknown): boolean {
  return resultCode(error) === 5;
}

/** Whether what is in a file is not a database (SQLITE_NOTADB). */
export function isNoDatabase(error: unknown): boolean {
  return resultCode(error) === 26;
}
