/** Installs something into the cache, once. */
import { existsSync } from 'node:fs';
import { mkdir, open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { cacheFolder } from './machine.ts';

const STALE_MS = 15 * 60_000;

/**
 * Installs a part into the cache once and returns its folder. Several processes that ask at once wait for one of them; a
 * half-made folder is never seen under the part's name. Rejects with what `make` rejects with, and names the part.
 */
export async function installOnce(
  name: string,
  what: string,
  make: (folder: string) => Promise<void>,
): Promise<string> {
  const folder = cacheFolder(name);
  if (existsSync(folder)) return folder;
  await mkdir(dirname(folder), { recursive: true });
  const lock = `${folder}.lock`;
  while (!(await takeLock(lock))) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    if (existsSync(folder)) return folder;
  }
  const unfinished = `${folder}.unfinished`;
  try {
    if (existsSync(folder)) return folder;
    process.stderr.write(`installing ${what}, once, into the user's cache …\n`);
    await rm(unfinished, { recursive: true, force: true });
    await mkdir(unfinished);
    await make(unfinished).catch((error: unknown) => {
      const why = error instanceof Error ? error.message : String(error);
      throw new Error(`${what} could not be installed, and nothing of it is used: ${why}`, { cause: error });
    });
    await rename(unfinished, folder);
    return folder;
  } finally {
    await rm(unfinished, { recursive: true, force: true });
    await rm(lock, { force: true });
  }
}

async function takeLock(lock: string): Promise<boolean> {
  try {
    await (await open(lock, 'wx')).close();
    return true;
  } catch {
    const age = await stat(lock).then(
      ({ mtimeMs }) => Date.now() - mtimeMs,
      () => 0,
    );
    // The process that made it was killed: an installation takes a minute, not a quarter of an hour.
    if (age > STALE_MS) await rm(lock, { force: true });
    return false;
  }
}
