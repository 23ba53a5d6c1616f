import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type ArchivePlace, type GetOptions, MAX_OBJECT_BYTES } from '../archive-place.ts';
import { checkKey, checkSize, wrapPlaceError } from '../archive-place-errors.ts';

async function readIfThere(
  path: string,
  { signal, maxBytes = MAX_OBJECT_BYTES }: GetOptions,
): Promise<Uint8Array | undefined> {
  let file: FileHandle;
  try {
    file = await open(path);
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

/** Under another name first, flushed, then renamed: nobody ever sees half a file, also after a power cut. */
async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o750 });
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
  } catch (error) {
    await rm(unfinished, { force: true });
    throw error;
  }
}

/** Archives and snapshots in a directory, which is made where it does not exist. */
export function openDirectory(root: string): ArchivePlace {
  const run = async <T>(
    key: string,
    signal: AbortSignal | undefined,
    work: (path: string) => Promise<T>,
  ): Promise<T> => {
    checkKey(key);
    signal?.throwIfAborted();
    try {
      return await work(join(root, key));
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
