/** Folders that take minutes to make, made once and kept in the user's cache for every figure that wants one. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { cacheFolder } from 'certbus-services';

/** How a folder that is kept comes to be. */
export interface Making {
  /** Fills an empty folder, which will then be at `final`. */
  make(folder: string, final: string): Promise<void>;
  /** Whether a folder of an earlier run can be used. Default: any can. */
  isWhole?(folder: string): Promise<boolean>;
}

/** The path of the folder with this name: from the cache, or made. */
export async function keepFolder(name: string, { make, isWhole = async () => true }: Making): Promise<string> {
  const folder = cacheFolder(name);
  if (existsSync(folder) && (await isWhole(folder))) return folder;
  const unfinished = `${folder}.new`;
  rmSync(unfinished, { recursive: true, force: true });
  mkdirSync(unfinished, { recursive: true, mode: 0o700 });
  await make(unfinished, folder);
  rmSync(folder, { recursive: true, force: true });
  renameSync(unfinished, folder);
  return folder;
}
