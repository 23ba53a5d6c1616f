/** Archives and snapshots in a folder. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, lstat, open, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { type ArchivePlace, type GetOptions, MAX_OBJECT_BYTES } from '../../archive/place.ts';
import { checkKey, checkSize, wrapPlaceError } from '../../archive/place-errors.ts';
import { makeFolders } from '../make-folders.ts';
import { openRegular } from '../regular-file.ts';

async function readIfThere(
  path: string,
  { signal, maxBytes = MAX_OBJECT_BYTES }: GetOptions,
): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await openRegular(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    checkSize(path, (await file.stat()).size, maxBytes);
    return await file.readFile({ ...(signal ? { signal } : {}) });
  } finally {
    await file.close();
  }
}

/** A new name is durable only once its folder was flushed; Windows cannot flush a folder. */
async function flushFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return;
  const folder = await open(path);
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function makeFolder(path: string): Promise<void> {
  const first = makeFolders(path, { mode: 0o750 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await flushFolder(dirname(made));
}

/** The names that {@link writeWhole} writes under. */
const UNFINISHED = /\.[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\.new$/;

/** A writer is done in minutes, and its file gets younger with every write. A day allows for clocks of other machines, too. */
const LEFTOVER_MS = 86_400_000;

/** Removes what writers left in a folder when they were killed. */
async function removeLeftovers(folder: string): Promise<void> {
  const names = (await readdir(folder)).filter((name) => UNFINISHED.test(name));
  for (const path of names.map((name) => join(folder, name))) {
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isFile() && Date.now() - stats.mtimeMs > LEFTOVER_MS) await rm(path, { force: true });
  }
}

/**
 * Writes under another name first, flushes, then renames: nobody ever sees half a file, and the file survives a power cut. It must: the
 * log is trimmed of what is here.
 */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await makeFolder(dirname(path));
  const unfinished = `${path}.${randomUUID()}.new`;
  try {
    const file = await open(unfinished, 'wx', 0o640);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(unfinished, path);
    await flushFolder(dirname(path));
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/**
 * Opens the place of archives and snapshots in a folder, which is made where it does not exist. What writers left there when they were killed is
 * removed after a day, with the first file that is written next to it.
 */
export function openFolder(root: string): ArchivePlace {
  const tidied = new Set<string>();
  /** Once for each folder: it may hold many files. */
  const tidy = async (folder: string): Promise<void> => {
    if (tidied.has(folder)) return;
    tidied.add(folder);
    // What cannot be listed or removed here takes room, and does no harm.
    await removeLeftovers(folder).catch(() => {});
  };
  const write = async (path: string, bytes: Uint8Array): Promise<void> => {
    await writeWhole(path, bytes);
    await tidy(dirname(path));
  };
  const run = async <T>(
    key: string,
    signal: AbortSignal | undefined,
    work: (path: string) => Promise<T>,
  ): Promise<T> => {
    checkKey(key);
    signal?.throwIfAborted();
    try {
      return await work(resolve(root, key));
    } catch (error) {
      signal?.throwIfAborted();
      throw wrapPlaceError(`${root}/${key}`, error);
    }
  };
  return {
    get: (key, options = {}) => run(key, options.signal, (path) => readIfThere(path, options)),
    put: (key, bytes, { signal } = {}) => run(key, signal, (path) => write(path, bytes)),
    update: (key, change, { signal } = {}) =>
      run(key, signal, async (path) => {
        const next = change(await readIfThere(path, { signal }));
        if (next) await write(path, next);
      }),
    async close() {},
  };
}
