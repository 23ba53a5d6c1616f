/** Targets that are paused for maintenance: a file each, so that a pause outlives the agent. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeFolders } from '@certbus/store/sqlite-files';

/** Pauses of the targets of one agent. */
export interface Pauses {
  has(target: string): boolean;
  pause(target: string): void;
  resume(target: string): void;
}

/** Opens the pauses that are kept in a state directory. */
export function openPauses(stateDirectory: string): Pauses {
  const folder = join(stateDirectory, 'paused');
  const pathOf = (target: string) => join(folder, target);
  return {
    has: (target) => existsSync(pathOf(target)),
    pause(target) {
      makeFolders(folder, { mode: 0o700 });
      if (!existsSync(pathOf(target))) writeFileSync(pathOf(target), '', { flag: 'wx', mode: 0o600 });
    },
    resume: (target) => rmSync(pathOf(target), { force: true }),
  };
}
