/** Archives and snapshots in a folder. */
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { type ArchivePlace, type GetOptions, MAX_OBJECT_BYTES } from '../../archive/place.ts';
import { checkKey, checkSize, wrapPlaceError } from '../../archive/place-errors.ts';
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
  const first = await mkdir(path, { recursive: true, mode: 0o750 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) await flushFolder(dirname(made));
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

/** Opens the place of archives and snapshots in a folder, which is made where it does not exist. */
export function openFolder(root: string): ArchivePlace {
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
    put: (key, bytes, { signal } = {}) => run(key, signal, (path) => writeWhole(path, bytes)),
    update: (key, change, { signal } = {}) =>
      run(key, signal, async (path) => {
        const next = change(await readIfThere(path, { signal }));
        if (next) await writeWhole(path, next);
      }),
    async close() {},
  };
}
