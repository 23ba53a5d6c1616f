/** Files that are there whole, with their owner and mode, and on the disk, or not at all. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { chmod, chown, link, mkdir, open, readdir, rename, rm, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Access } from './access.ts';

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

/** Gives a file or folder to its owner. */
async function giveTo(path: string, { uid, gid }: Access): Promise<void> {
  if (uid === undefined && gid === undefined) return;
  // -1 leaves it as it is (chown(2)).
  await chown(path, uid ?? -1, gid ?? -1);
}

/** Makes a folder, and those above it, that only its owner and group can enter. */
export async function makeFolder(path: string, access: Access): Promise<void> {
  // Step by step: the recursive way of Node never ends where a file system such as /proc makes no folders.
  if (existsSync(path)) return;
  await makeFolder(dirname(path), access);
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return;
    throw error;
  }
  await giveTo(path, access);
  await chmod(path, access.folderMode);
  await flushFolder(dirname(path));
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
