/** A folder in which each file is replaced by itself, for programs that read fixed paths and follow no link. */
import { existsSync } from 'node:fs';
import { link, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  areSameFiles,
  type CertificateFolder,
  type FolderOptions,
  pathsOf,
  remember,
  writeAll,
} from './certificate-folder.ts';
import { flushFolder, letIn, makeFolder, makeOwnFolder, removeUnfinished, unfinishedName } from './durable.ts';
import { inForm, MANIFEST, readManifest } from './manifest.ts';
import { checkPlace } from './own-place.ts';

/**
 * Holds, until the folder is settled, its list before that and a second name of each file that was replaced or removed since. File systems keep the
 * order of names, so that after a power cut nothing was replaced that is not here.
 */
const BEFORE = '.certbus-agent-before';

/** Gives a file a second name, unless it is not there, or the name is taken. */
async function keepName(from: string, to: string): Promise<void> {
  try {
    await link(from, to);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== 'EEXIST' && code !== 'ENOENT') throw error;
  }
}

/** Opens the folder. */
export function openFolderInPlace(
  path: string,
  { access, form, isJudged, sharedVolume }: FolderOptions,
): CertificateFolder {
  const memory = remember(path, path, { access, form, sharedVolume });
  const { isBegun, read, known, listed, writeList, keep } = memory;
  const before = join(path, BEFORE);
  /** The files that were settled are the agent's alone here; they keep their own modes. */
  const ownAccess = { ...access, uid: undefined, gid: undefined, folderMode: 0o700 };

  /** The last removal of files that were replaced. */
  let removal: Promise<void> = Promise.resolve();

  async function openBefore(): Promise<void> {
    if (existsSync(before)) return;
    const unfinished = unfinishedName(before);
    await makeOwnFolder(unfinished, ownAccess);
    await keepName(join(path, MANIFEST), join(unfinished, MANIFEST));
    await rename(unfinished, before);
  }
  /** Keeps what a file was, before it is replaced or removed. */
  async function keepBefore(file: string): Promise<void> {
    await makeOwnFolder(dirname(join(before, file)), ownAccess);
    await keepName(join(path, file), join(before, file));
  }

  return {
    path,
    isBegun,
    read,
    known,
    hasOwnAccess: memory.hasOwnAccess,
    restoreAccess: memory.restoreAccess,
    async write(next) {
      checkPlace(path, sharedVolume);
      await removal;
      await makeFolder(path, access);
      await letIn(path, access, { isOwn: false });
      const last = await listed();
      const files = pathsOf(last);
      if (isJudged) await openBefore();
      else await rm(before, { recursive: true, force: true });
      const keepLast = async (file: string) => {
        if (isJudged && files.has(file)) await keepBefore(file);
      };
      const manifest = await writeAll(path, next, { access, form, shownAs: path, before: keepLast });
      await writeList(path, manifest, access);
      await flushFolder(path);
      const kept = pathsOf(manifest);
      const touched = new Set([path]);
      for (const file of files) {
        if (!kept.has(file)) {
          await keepLast(file);
          await rm(join(path, file), { force: true });
        }
        touched.add(dirname(join(path, file)));
      }
      for (const folder of touched) await removeUnfinished(folder);
      return keep(manifest);
    },
    async hasShared(shared) {
      const manifest = await known();
      return areSameFiles(shared(manifest, path), manifest.shared);
    },
    isSettled: async () => !(isJudged && existsSync(before)),
    async settle() {
      if (!existsSync(before)) return;
      // In one step: what is left of it after a kill must not be taken for all that was good.
      const gone = unfinishedName(before);
      await rename(before, gone);
      await flushFolder(path);
      // Nobody waits for it: a disk takes as long for each file as for writing one. What is left of it is removed with the next change.
      removal = rm(gone, { recursive: true, force: true }).catch(() => {});
    },
    async settled() {
      if (!existsSync(before)) return { manifest: await known(), pathOf: (file) => join(path, file) };
      return {
        manifest: inForm(form, await readManifest(before)),
        pathOf: (file) => [join(before, file), join(path, file)].find((each) => existsSync(each)) ?? join(path, file),
      };
    },
    close: () => removal,
  };
}
