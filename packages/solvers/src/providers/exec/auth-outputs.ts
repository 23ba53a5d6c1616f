/** Keeps what certbot's auth hooks print, for the clean-up hooks. */
import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { mkdir, open, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from './task.ts';

/** What certbot's auth hooks print, kept on disk until clean-up, which may be another process's. */
export interface AuthOutputs {
  keep(task: Task, output: string): Promise<void>;
  /** Empty where nothing was kept: another machine presented the value, or the hook printed nothing. */
  recall(task: Task): Promise<string>;
  forget(task: Task): Promise<void>;
}

/** More than {@link AuthOutputs.keep} is ever given, which is the beginning of what a program prints. */
const MAX_BYTES = 262_144;

const problem = (code: string, path: string) => Object.assign(new Error(`${code}: ${path}`), { code });

/** The text of a regular file that is not too large: what another program put at the path instead could never end. */
async function readKept(path: string): Promise<string> {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;
  const file = await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  try {
    const stats = await file.stat();
    if (!stats.isFile()) throw problem('ENOTREG', path);
    if (stats.size > MAX_BYTES) throw problem('EFBIG', path);
    return await file.readFile('utf8');
  } finally {
    await file.close();
  }
}

/** Keeps them in a folder, for this user alone. */
export function openAuthOutputs(folder: string, program: string): AuthOutputs {
  const fileOf = ({ domain, value }: Task) =>
    join(folder, createHash('sha256').update(`${program}\n${domain}\n${value}`).digest('hex'));
  return {
    async keep(task, output) {
      if (output === '') return;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      // What is there is replaced, and never opened: it may be a pipe, or lead elsewhere.
      await rm(fileOf(task), { force: true });
      await writeFile(fileOf(task), output, { mode: 0o600, flag: 'wx' });
    },
    async recall(task) {
      try {
        return await readKept(fileOf(task));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return '';
        throw error;
      }
    },
    async forget(task) {
      await rm(fileOf(task), { force: true });
    },
  };
}
