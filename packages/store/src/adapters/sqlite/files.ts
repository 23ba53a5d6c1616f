/** What other packages need for SQLite files of their own: SQLite itself, a guard, a lock, a watch, and what is wrong with a file. */

export { DatabaseSync } from '../../node-modules.ts';
export { describeFileProblem, type FileProblem, fileProblemOf } from '../file-problem.ts';
export { makeFolders } from '../make-folders.ts';
export { lockFile } from '../places/file-lock.ts';
export { checkRegular, openRegular, readRegular, textOf } from '../regular-file.ts';
export { checkSchema, openGuarded, type SchemaOptions } from '../sqlite-guard.ts';
export { isWalSafe } from './wal-reset.ts';
export { type WriteWait, whenWritten } from './watch.ts';
