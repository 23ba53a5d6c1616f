/** What other packages need for SQLite files of their own: a lock, and what is wrong with a file. */

export { describeFileProblem, type FileProblem, fileProblemOf } from '../file-problem.ts';
export { lockFile } from '../places/file-lock.ts';
