/** Keeps what certbot's auth hooks print, for the clean-up hooks. */
import { createHash } from 'node:crypto';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Task } from './task.ts';

/** What certbot's auth hooks print, kept on disk until clean-up, which may be another process's. */
export interface AuthOutputs {
  keep(task: Task, output: string): Promise<void>;
  /** Empty where nothing was kept: another machine presented the value, or the hook printed nothing. */
  recall(task: Task): Promise<string>;
  forget(task: Task): Promise<void>;
}

/** Keeps them in a folder, for this user alone. */
export function openAuthOutputs(folder: string, program: string): AuthOutputs {
  const fileOf = ({ domain, value }: Task) =>
    join(folder, createHash('sha256').update(`${program}\n${domain}\n${value}`).digest('hex'));
  return {
    async keep(task, output) {
      if (output === '') return;
      await mkdir(folder, { recursive: true, mode: 0o700 });
      await writeFile(fileOf(task), output, { mode: 0o600 });
    },
    async recall(task) {
      try {
        return await readFile(fileOf(task), 'utf8');
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
