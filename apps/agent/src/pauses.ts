/** Targets that are paused for maintenance: a file each, so that a pause outlives the agent. */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describeFileProblem, makeFolders } from '@certbus/store/sqlite-files';
import { AgentError } from './errors.ts';

/** Pauses of the targets of one agent. They are changed, or it throws `CERTBUS_AGENT_TARGET_FAILED`, as on a disk that is read-only. */
export interface Pauses {
  has(target: string): boolean;
  pause(target: string): void;
  /** Returns whether the target was paused. */
  resume(target: string): boolean;
}

/** Opens the pauses that are kept in a state directory. */
export function openPauses(stateDirectory: string): Pauses {
  const folder = join(stateDirectory, 'paused');
  const pathOf = (target: string) => join(folder, target);
  function change<T>(work: () => T): T {
    try {
      return work();
    } catch (cause) {
      const what = `The pauses of the targets, in ${folder}, cannot be changed: ${describeFileProblem(cause, folder)}.`;
      throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what, { cause });
    }
  }
  return {
    has: (target) => existsSync(pathOf(target)),
    pause: (target) =>
      change(() => {
        makeFolders(folder, { mode: 0o700 });
        if (!existsSync(pathOf(target))) writeFileSync(pathOf(target), '', { flag: 'wx', mode: 0o600 });
      }),
    resume: (target) =>
      change(() => {
        const wasPaused = existsSync(pathOf(target));
        rmSync(pathOf(target), { force: true });
        return wasPaused;
      }),
  };
}
