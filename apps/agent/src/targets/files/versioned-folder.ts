/** A folder whose `current` is a symbolic link to the whole state, so that all files of a change appear in one step. */
import { lstat, readdir, readlink, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Access } from './access.ts';
import {
  areSameFiles,
  type CertificateFolder,
  type FolderOptions,
  type NextContents,
  remember,
  writeAll,
} from './certificate-folder.ts';
import {
  flushFolder,
  isUnfinished,
  letIn,
  makeFolder,
  makeOwnFolder,
  pointLink,
  removeUnfinished,
  shareFile,
  shareFolder,
  unfinishedName,
} from './durable.ts';
import { EMPTY, inForm, readManifest } from './manifest.ts';
import { checkPlace } from './own-place.ts';

/** Leads to the files that are shown. */
export const CURRENT = 'current';
/** Leads to the last version that was judged as good. */
const SETTLED = '.settled';
const VERSIONS = '.versions';
/**
 * A link for each version, for files that name their version's folder. Once that is removed it leads to `current`: a balancer that refused every reload
 * since goes on with the newest files of the names that it knows.
 */
const NAMED = '.named';
/** How long such a link stays, milliseconds. A balancer that took no reload for a year serves nothing that was valid then. */
const NAMED_MS = 366 * 86_400_000;

const numberOf = (version: number): string => String(version).padStart(8, '0');
const linkTo = (version: number): string => join(VERSIONS, numberOf(version));

/** The version that a link of the agent leads to; `undefined` where there is none. Throws where something else has its name. */
async function linkedVersion(link: string): Promise<number | undefined> {
  const stats = await lstat(link).catch(() => undefined);
  if (!stats) return undefined;
  const [, version] = /^\.versions\/(\d{8})$/.exec(stats.isSymbolicLink() ? await readlink(link) : '') ?? [];
  if (version !== undefined) return Number.parseInt(version, 10);
  const what = `${link} is there and is not a symbolic link of the agent. Move it away, or name another folder.`;
  throw Object.assign(new Error(what), { code: 'EEXIST' });
}

/** As {@link linkedVersion}; 0, of which there are no files, where there is none. */
const versionAt = async (link: string): Promise<number> => (await linkedVersion(link)) ?? 0;

/** Gives files of one version their names in the next one as well. */
async function shareFiles(
  { from, to }: { readonly from: string; readonly to: string },
  kept: NextContents['kept'],
  access: Access,
): Promise<void> {
  const folders = new Set<string>([to]);
  for (const { files } of Object.values(kept)) {
    for (const path of Object.keys(files)) {
      const folder = dirname(join(to, path));
      if (!folders.has(folder)) await makeOwnFolder(folder, access);
      folders.add(folder);
      await shareFile(join(from, path), join(to, path));
    }
  }
}

/**
 * Opens the folder. The version before stays until the next change, for programs that have just opened one of its files, and so does the one that was
 * settled last.
 */
export function openVersionedFolder(
  folder: string,
  { access, form, isJudged, isNamedInShared = false, sharedVolume }: FolderOptions,
): CertificateFolder {
  const path = join(folder, CURRENT);
  const memory = remember(folder, path, { access, form, sharedVolume });
  const { isBegun, known, writeList, keep } = memory;
  const versions = join(folder, VERSIONS);
  const named = join(folder, NAMED);
  const settledLink = join(folder, SETTLED);
  const pathOf = (version: number) => join(folder, linkTo(version));
  const shownAs = (version: number) => (isNamedInShared ? join(named, numberOf(version)) : pathOf(version));

  async function removeVersions(keep: readonly number[]): Promise<void> {
    const kept = new Set(keep.map((version) => numberOf(version)));
    for (const name of await readdir(versions)) {
      const isOurs = /^\d{8}$/.test(name) || isUnfinished(name);
      if (!isOurs || kept.has(name)) continue;
      if (isNamedInShared && !isUnfinished(name)) await pointLink(join(named, name), join('..', CURRENT));
      await rm(join(versions, name), { recursive: true, force: true });
    }
  }
  async function removeOldNames(): Promise<void> {
    const until = Date.now() - NAMED_MS;
    // The oldest have the lowest numbers.
    for (const name of (await readdir(named)).sort()) {
      const link = join(named, name);
      if ((await lstat(link)).mtimeMs >= until || (await readlink(link)) !== join('..', CURRENT)) return;
      await rm(link);
    }
  }

  /** The version that is kept because it was judged. What was there before anything was judged is taken for good. */
  async function openSettled(before: number): Promise<number> {
    if (!isJudged) await rm(settledLink, { force: true });
    const settled = await linkedVersion(settledLink);
    if (isJudged && settled === undefined) await pointLink(settledLink, linkTo(before));
    return settled ?? before;
  }

  return {
    path,
    isBegun,
    async read() {
      await versionAt(path);
      return memory.read();
    },
    known,
    hasOwnAccess: memory.hasOwnAccess,
    restoreAccess: memory.restoreAccess,
    async write(next) {
      checkPlace(folder, sharedVolume);
      await makeFolder(folder, access);
      for (const each of isNamedInShared ? [versions, named] : [versions]) {
        await makeOwnFolder(each, access);
        // The group may be another one since it was made.
        await shareFolder(each, access);
      }
      await letIn(folder, access, { isOwn: false });
      const before = await versionAt(path);
      const settled = await openSettled(before);
      // What a killed agent left, among it a whole version that was never shown.
      await removeVersions([before, before - 1, settled]);
      await removeUnfinished(folder);
      // Behind the settled one as well: somebody can have led "current" back to an earlier version, or removed it.
      const version = Math.max(before, settled) + 1;
      const building = unfinishedName(pathOf(version));
      await makeOwnFolder(building, access);
      const manifest = await writeAll(building, next, { access, form, shownAs: shownAs(version) });
      // What was written again may have other files by now.
      const shared = Object.entries(next.kept).filter(([id, entry]) => manifest.certificates[id] === entry);
      await shareFiles({ from: pathOf(before), to: building }, Object.fromEntries(shared), access);
      await writeList(building, manifest, access);
      await flushFolder(building);
      await rename(building, pathOf(version));
      await flushFolder(versions);
      if (isNamedInShared) await pointLink(shownAs(version), join('..', linkTo(version)));
      await pointLink(path, linkTo(version));
      await removeVersions([version, before, settled]);
      if (isNamedInShared) {
        await removeUnfinished(named);
        await removeOldNames();
      }
      return keep(manifest);
    },
    async hasShared(shared) {
      const manifest = await known();
      return areSameFiles(shared(manifest, shownAs(await versionAt(path))), manifest.shared);
    },
    async isSettled() {
      const [settled, current] = [await linkedVersion(settledLink), await versionAt(path)];
      return !isJudged || settled === undefined || settled === current;
    },
    async settle() {
      if (isJudged) await pointLink(settledLink, linkTo(await versionAt(path)));
    },
    async settled() {
      const version = (await linkedVersion(settledLink)) ?? (await versionAt(path));
      const manifest = version === 0 ? EMPTY : await readManifest(pathOf(version));
      return {
        manifest: inForm(form, manifest),
        pathOf: (file) => join(pathOf(version), file),
      };
    },
    async close() {},
  };
}
