/** Files that are there whole, with their owner and mode, and on the disk, or not at all. */
import { randomUUID } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, link, lstat, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { examineState } from '@certbus/replica';
import { AgentError } from '../../errors.ts';
import { type Access, isAsGiven } from './access.ts';

const UNFINISHED = /\.[0-9a-f-]{36}\.new$/;

/** A name next to a path that no reader takes for the file. */
export const unfinishedName = (path: string): string => `${path}.${randomUUID()}.new`;

/** Whether a name is that of a file that a writer was killed over. */
export const isUnfinished = (name: string): boolean => UNFINISHED.test(name);

/** Makes the names in a folder durable: until then a power cut can take them. */
export async function flushFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/** Opens a folder itself: what a link leads to is given to nobody. */
const openFolder = (path: string): Promise<FileHandle> =>
  open(path, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);

/** Those who are not in the group can pass through a folder of another owner's files, and not list it. */
const PASS = 0o001;

const modeOf = ({ uid, folderMode }: Access): number =>
  uid === undefined || uid === process.geteuid?.() ? folderMode : folderMode | PASS;

/**
 * Gives a folder its group and mode. Its owner stays the agent: an owner could put a link in the place of a file, and so lead the writes of an agent
 * that runs as root.
 */
export async function shareFolder(path: string, access: Access): Promise<void> {
  const { gid } = access;
  const folder = await openFolder(path);
  try {
    // -1 leaves it as it is (chown(2)).
    if (gid !== undefined) await folder.chown(-1, gid);
    await folder.chmod(modeOf(access));
  } finally {
    await folder.close();
  }
}

/** Who has access to a folder besides its owner. */
const OTHERS = 0o077;

/**
 * Lets owner and group of the files into a folder of this user, as where they were named after it was made.
 *
 * @param isOwn whether the agent made it. Another one to which somebody gave access stays as it is.
 */
export async function letIn(path: string, access: Access, { isOwn }: { readonly isOwn: boolean }): Promise<void> {
  const { uid, gid, mode } = await lstat(path);
  const isShut = (modeOf(access) & ~mode) !== 0 || (access.gid !== undefined && access.gid !== gid);
  if (!isShut || uid !== process.geteuid?.()) return;
  if (isOwn || (mode & OTHERS) === 0) await shareFolder(path, access);
}

const isThere = async (path: string): Promise<boolean> => (await lstat(path).catch(() => undefined)) !== undefined;

async function makeOne(path: string, access: Access): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw error;
  }
  await shareFolder(path, access);
  await flushFolder(dirname(path));
}

/** Makes a folder, and those above it, that only this user and the group can list. One that is there stays as it is. */
export async function makeFolder(path: string, access: Access): Promise<void> {
  // Step by step: the recursive way of Node never ends where a file system such as /proc makes no folders.
  if (await isThere(path)) return;
  await makeFolder(dirname(path), access);
  await makeOne(path, access);
}

/**
 * Makes a folder below that of a target. One that is there stays as it is, see {@link letIn}. Rejects `CERTBUS_AGENT_TARGET_FAILED` where a link has its
 * name, or a folder that another user can write to.
 */
export async function makeOwnFolder(path: string, access: Access): Promise<void> {
  const stats = await lstat(path).catch(() => undefined);
  if (!stats) {
    await makeOwnFolder(dirname(path), access);
    return makeOne(path, access);
  }
  if (stats.isDirectory() && !examineState(path)) return;
  const what = `${path} is not a folder of this agent alone. Move it away, or name another folder for the target.`;
  throw new AgentError('CERTBUS_AGENT_TARGET_FAILED', what);
}

/**
 * Writes a file under its path, whole and flushed. Until it has its owner and its mode, nobody but this user can read it. The name is
 * durable once its folder was flushed.
 */
export async function writeDurably(
  path: string,
  text: string | Uint8Array,
  { access, isSecret }: { readonly access: Access; readonly isSecret: boolean },
): Promise<void> {
  const unfinished = unfinishedName(path);
  try {
    const file = await open(unfinished, 'wx', 0o600);
    try {
      await file.writeFile(text);
      const { uid, gid, secretMode, publicMode } = access;
      if (uid !== undefined || gid !== undefined) await file.chown(uid ?? -1, gid ?? -1);
      await file.chmod(isSecret ? secretMode : publicMode);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

const isNotPermitted = (error: unknown): boolean => error instanceof Error && 'code' in error && error.code === 'EPERM';

/**
 * Gives a file that is there its owner, group and mode again. One that belongs to another user by now is written again, since only that user could give
 * it a mode. Resolves with whether the file system keeps them.
 */
export async function giveAccess(
  path: string,
  { access, isSecret }: { readonly access: Access; readonly isSecret: boolean },
): Promise<boolean> {
  const { uid, gid, secretMode, publicMode } = access;
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW);
  try {
    if (uid !== undefined || gid !== undefined) await file.chown(uid ?? -1, gid ?? -1);
    await file.chmod(isSecret ? secretMode : publicMode);
    return isAsGiven(await file.stat(), { access, isSecret });
  } catch (error) {
    if (!isNotPermitted(error)) throw error;
    await writeDurably(path, await file.readFile(), { access, isSecret });
    return true;
  } finally {
    await file.close();
  }
}

/** Makes a symbolic link, or lets one that is there lead elsewhere, in one step. */
export async function pointLink(path: string, target: string): Promise<void> {
  const unfinished = unfinishedName(path);
  await symlink(target, unfinished);
  try {
    await rename(unfinished, path);
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
  await flushFolder(dirname(path));
}

/** Gives a file a second name. */
export const shareFile = (from: string, to: string): Promise<void> => link(from, to);

/** Removes what a writer that was killed left in a folder. Only one agent writes there. */
export async function removeUnfinished(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    if (isUnfinished(basename(name))) await rm(join(folder, name), { recursive: true, force: true });
  }
}
