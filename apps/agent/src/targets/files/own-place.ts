/** Refuses places in which another user could lead the agent's writes elsewhere, by a link or by a folder in the place of another one. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import { describeExposure, examineFile } from '@certbus/replica';
import { AgentError } from '../../errors.ts';

/** The first folder on the way up that is there. */
export function nearest(path: string): string {
  return existsSync(path) || dirname(path) === path ? path : nearest(dirname(path));
}

/**
 * Why nothing can be made safely in a folder, or where it is to be made; `undefined` where it can. Throws as `lstat` does.
 *
 * @param sharedVolume a folder above it that others may write to.
 */
export function placeProblem(folder: string, sharedVolume?: string): string | undefined {
  const { refused } = examineFile(nearest(folder), { shared: sharedVolume });
  if (!refused) return undefined;
  return `Nothing is made in ${folder}, since another user could lead it elsewhere: ${describeExposure(refused)}`;
}

/**
 * Refuses a folder that belongs to another user than this one and root, or that others can write to, and such links and folders on the way to it.
 * Throws `CERTBUS_AGENT_TARGET_FAILED`.
 */
export function checkPlace(folder: string, sharedVolume?: string): void {
  const problem = placeProblem(folder, sharedVolume);
  if (problem === undefined) return;
  const what = `${problem} "owner" gives a target's files to a user, and not their folder; "sharedVolume" names a volume that the containers of a pod share.`;
  throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
}
