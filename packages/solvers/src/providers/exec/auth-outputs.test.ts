/** Tests of the files of programs: what another program puts in their place, and what is left of those that were killed. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, symlinkSync, truncateSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from 'certbus-services';
import { afterAll, expect, test } from 'vitest';
import { openAuthOutputs } from './auth-outputs.ts';
import { removeLeftovers } from './run-program.ts';
import type { Task } from './task.ts';

const folder = temporaryFolder();
afterAll(() => folder.remove());
const outputs = openAuthOutputs(join(folder.path, 'outputs'), '/hook');
const task = { domain: 'a.test', value: 'value' } as Task;

test.skipIf(process.platform === 'win32')(
  'only a regular file of a sensible size is recalled, and any other is replaced',
  async () => {
    expect(await outputs.recall(task)).toBe('');
    await outputs.keep(task, 'printed');
    expect(await outputs.recall(task)).toBe('printed');
    const [name = ''] = readdirSync(join(folder.path, 'outputs'));
    const path = join(folder.path, 'outputs', name);

    truncateSync(path, 262_145);
    await expect(outputs.recall(task)).rejects.toMatchObject({ code: 'EFBIG' });
    for (const [put, code] of [
      [() => execFileSync('mkfifo', [path]), 'ENOTREG'],
      [() => symlinkSync('/dev/zero', path), 'ELOOP'],
    ] as const) {
      await outputs.forget(task);
      put();
      await expect(outputs.recall(task)).rejects.toMatchObject({ code });
      await outputs.keep(task, 'again');
      expect(await outputs.recall(task)).toBe('again');
    }
  },
);

test.skipIf(process.platform === 'win32')(
  'the folder of a program whose manager was killed is removed after a day',
  async () => {
    const parent = join(folder.path, 'tmp');
    for (const name of ['certbus-program-old', 'certbus-program-new', 'other'])
      mkdirSync(join(parent, name), { recursive: true });
    const old = new Date(Date.now() - 90_000_000);
    for (const name of ['certbus-program-old', 'other']) utimesSync(join(parent, name), old, old);
    await removeLeftovers(parent);
    expect(readdirSync(parent).sort()).toEqual(['certbus-program-new', 'other']);
  },
);
