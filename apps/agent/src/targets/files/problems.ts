/** Says before anything is written whether the files of a target can be. */
import { randomUUID } from 'node:crypto';
import { open, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describeFileProblem } from '@certbus/store/sqlite-files';
import type { Access } from './access.ts';
import { nearest, placeProblem } from './own-place.ts';

/** What stands between this user and the files: a folder that cannot be written, or an owner that it cannot give them. */
export async function folderProblems(
  folder: string,
  { access: { uid, gid }, sharedVolume }: { readonly access: Access; readonly sharedVolume?: string | undefined },
): Promise<readonly string[]> {
  const place = nearest(folder);
  const probe = join(place, `.certbus-agent-${randomUUID()}.new`);
  try {
    if (!(await stat(place)).isDirectory()) return [`${place} is not a folder, so ${folder} cannot be made.`];
    const problem = placeProblem(folder, sharedVolume);
    if (problem !== undefined) return [problem];
    const file = await open(probe, 'wx', 0o600);
    try {
      if (uid !== undefined || gid !== undefined) await file.chown(uid ?? -1, gid ?? -1);
    } finally {
      await file.close();
    }
    return [];
  } catch (error) {
    const isOwner = error instanceof Error && 'syscall' in error && error.syscall === 'fchown';
    if (!isOwner) return [`Files cannot be written in ${folder}: ${describeFileProblem(error, place)}.`];
    const advice = 'Run the agent as a member of that group, or without "owner" and "group".';
    const to = [uid === undefined ? '' : `user ${uid}`, gid === undefined ? '' : `group ${gid}`].filter(Boolean);
    return [`Files in ${folder} cannot be given to ${to.join(' and ')}. ${advice}`];
  } finally {
    // Below a file there is nothing to remove.
    await rm(probe, { force: true }).catch(() => {});
  }
}
