/** What other packages need for SQLite files of their own: a lock, and what is wrong with a file. */
export { lockFile } from '../places/file-lock.ts';
export { describeFileProblem, type FileProblem, fileProblemOf } from './file-problem.ts';
