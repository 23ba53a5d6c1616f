export { lockFile } from '../places/file-lock.ts';
export { describeFileProblem, type FileProblem, fileProblemOf } from './file-problem.ts';
