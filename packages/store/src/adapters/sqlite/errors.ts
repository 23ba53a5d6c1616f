/** What errors of SQLite mean for a log. */
import { dirname } from 'node:path';
import { StoreError, type StoreErrorCode } from '../../errors.ts';
import { describeFileProblem, fileProblemOf } from '../file-problem.ts';
import { resultCode } from '../sqlite-codes.ts';

/** SQLite's primary result codes (sqlite.org/rescode.html) that an operator can do something about. */
const MEANING: Readonly<Record<number, readonly [StoreErrorCode, string]>> = {
  3: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be opened by this user: check its owner and mode'],
  5: ['CERTBUS_STORE_UNREACHABLE', 'is locked by another process, for longer than half a minute'],
  6: ['CERTBUS_STORE_UNREACHABLE', 'is locked within this process'],
  8: ['CERTBUS_STORE_READ_ONLY', 'can only be read by this user, or is on a disk mounted read-only'],
  10: ['CERTBUS_STORE_UNREACHABLE', 'could not be read or written: look at the disk'],
  11: ['CERTBUS_STORE_DAMAGED', 'is damaged: restore it from a backup'],
  13: ['CERTBUS_STORE_FULL', 'does not fit on its disk any more: make room'],
  14: ['CERTBUS_STORE_ACCESS_DENIED', 'cannot be opened: check its folder, owner and mode'],
  18: [
    'CERTBUS_STORE_DAMAGED',
    'holds a value that is larger than any of CertBus: restore it from a backup, and find out who can write to it',
  ],
  26: ['CERTBUS_STORE_DAMAGED', 'is not a SQLite database: look whether the address is right'],
};

/** Turns an error of SQLite into what it means for a bus; anything else is returned as it is. */
export function wrapSqliteError(path: string, error: unknown): unknown {
  const number = resultCode(error);
  const problem = number === undefined ? fileProblemOf(error, path) : undefined;
  if (problem === 'folder' || problem === 'special') {
    const what = `The bus ${path} cannot be opened: ${describeFileProblem(error, path)}.`;
    return new StoreError('CERTBUS_STORE_ACCESS_DENIED', what, { cause: error });
  }
  if (number === undefined || !(error instanceof Error)) return error;
  if (number === 14 && fileProblemOf(error, path) === 'missing') {
    const what = `The bus ${path} cannot be made: the folder ${dirname(path)} does not exist. Make it, or correct the address.`;
    return new StoreError('CERTBUS_STORE_ACCESS_DENIED', what, { cause: error });
  }
  const [code, what] = MEANING[number] ?? (['CERTBUS_STORE_UNREACHABLE', `failed: ${error.message}`] as const);
  return new StoreError(code, `The bus ${path} ${what}.`, { cause: error });
}

/** A read without locks met a writer: `isBusy` treats it like a lock. */
export function changedMeanwhile(): Error {
  return Object.assign(new Error('the file was written while it was read'), { errcode: 5 });
}

/** Whether this user may not write the file, or not make a file next to it, but can perhaps read it (SQLITE_READONLY, SQLITE_CANTOPEN). */
export function isRefused(error: unknown): boolean {
  const code = resultCode(error);
  return code === 8 || code === 14;
}

/** Whether a transaction that failed so may be on the disk all the same (SQLITE_IOERR). */
export function isOutcomeUnknown(error: unknown): boolean {
  return resultCode(error) === 10;
}
