/** A folder of certificate files that changes in steps of which each can be the last one before a kill. */
import { existsSync } from 'node:fs';
import { lstat, readdir, readlink, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { sha256 } from '@certbus/events';
import type { Access } from './access.ts';
import {
  flushFolder,
  isUnfinished,
  makeFolder,
  pointLink,
  removeUnfinished,
  shareFile,
  unfinishedName,
  writeDurably,
} from './durable.ts';
import type { CertificateFile } from './layouts.ts';
import { formatManifest, intactPart, MANIFEST, type Manifest, type ManifestEntry, readManifest } from './manifest.ts';

/** What a folder is to hold. */
export interface NextContents {
  readonly defaultId: string | undefined;
  /** Certificates that stay as they are in the list, unless they are written. */
  readonly kept: Readonly<Record<string, ManifestEntry>>;
  /** Certificates that are written, one after the other. */
  readonly written: AsyncIterable<WrittenCertificate> | Iterable<WrittenCertificate>;
  /**
   * Files of all certificates together, made once the list is known.
   *
   * @param folder where these files stay until the change after the next one.
   */
  readonly shared: (
    manifest: Pick<Manifest, 'defaultId' | 'certificates'>,
    folder: string,
  ) => readonly CertificateFile[];
}

/** A certificate that is written. */
export interface WrittenCertificate {
  readonly certificateId: string;
  readonly entry: Omit<ManifestEntry, 'files'>;
  readonly files: readonly CertificateFile[];
}

/** How a folder's files are made. */
export interface FolderOptions {
  readonly access: Access;
  /** Names everything else on which the content of the files depends: where it is another one, all are written again. */
  readonly form: string;
}

/** A folder of certificate files. */
export interface CertificateFolder {
  /** Where the files are read: the paths of the list are below it. */
  readonly path: string;
  /** Whether anything was ever written there; a balancer may need the files of all certificates together before there is a certificate. */
  isBegun(): boolean;
  /** Reads every file: what is in it as it was written. What was changed or removed by others is left out. */
  read(): Promise<Manifest>;
  /** What the last {@link CertificateFolder.read} found, with what was written since. Reads only where there was none. */
  known(): Promise<Manifest>;
  /** Changes it. What is not in the next contents is removed, as far as the agent wrote it. */
  write(next: NextContents): Promise<Manifest>;
  /** Notes that a balancer uses what is there now: it stays until something else is noted. */
  use(): Promise<void>;
}

const hashesOf = (files: readonly CertificateFile[]): Record<string, string> =>
  Object.fromEntries(files.map(({ path, content }) => [path, sha256(Buffer.from(content))]));

const pathsOf = ({ shared, certificates }: Manifest): Set<string> =>
  new Set([shared, ...Object.values(certificates).map(({ files }) => files)].flatMap((files) => Object.keys(files)));

/** Writes certificates and shared files below a folder, and returns their list. */
async function writeAll(
  folder: string,
  next: NextContents,
  { access, form, shownAs = folder }: FolderOptions & { readonly shownAs?: string },
): Promise<Manifest> {
  const folders = new Set<string>();
  const write = async ({ path, content, isSecret }: CertificateFile) => {
    const full = join(folder, path);
    if (!folders.has(dirname(full))) await makeFolder(dirname(full), access);
    folders.add(dirname(full));
    await writeDurably(full, content, { access, isSecret });
  };
  const certificates: Record<string, ManifestEntry> = { ...next.kept };
  for await (const { certificateId, entry, files } of next.written) {
    for (const file of files) await write(file);
    certificates[certificateId] = { ...entry, files: hashesOf(files) };
  }
  const { defaultId } = next;
  const isThere = defaultId !== undefined && certificates[defaultId] !== undefined;
  const listed = { ...(isThere ? { defaultId } : {}), certificates };
  const shared = next.shared(listed, shownAs);
  for (const file of shared) await write(file);
  for (const made of folders) await flushFolder(made);
  return { version: 1, form, ...listed, shared: hashesOf(shared) };
}

/** Remembers what a folder was found to hold: only one agent writes there. */
function remember(path: string, form: string) {
  let known: Manifest | undefined;
  const read = async () => (known = await intactPart(path, await readManifest(path), form));
  return {
    isBegun: () => existsSync(join(path, MANIFEST)),
    read,
    known: async () => known ?? (await read()),
    keep(manifest: Manifest): Manifest {
      known = manifest;
      return manifest;
    },
  };
}

/** A folder in which each file is replaced by itself. */
export function openFolderInPlace(path: string, options: FolderOptions): CertificateFolder {
  const { access, form } = options;
  const { isBegun, read, known, keep } = remember(path, form);
  return {
    path,
    isBegun,
    read,
    known,
    async write(next) {
      await makeFolder(path, access);
      const before = await readManifest(path);
      const manifest = await writeAll(path, next, options);
      await writeDurably(join(path, MANIFEST), formatManifest(manifest), { access, isSecret: false });
      await flushFolder(path);
      const kept = pathsOf(manifest);
      const touched = new Set([path]);
      for (const file of pathsOf(before)) {
        if (!kept.has(file)) await rm(join(path, file), { force: true });
        touched.add(dirname(join(path, file)));
      }
      for (const folder of touched) await removeUnfinished(folder);
      return keep(manifest);
    },
    // There is one state only.
    async use() {},
  };
}

const CURRENT = 'current';
/** Leads to the version that a balancer uses, which may be an older one. */
const IN_USE = '.in-use';
const VERSIONS = '.versions';

const linkTo = (version: number): string => join(VERSIONS, String(version).padStart(8, '0'));

async function versionAt(link: string): Promise<number> {
  try {
    return Number.parseInt(/(\d+)$/.exec(await readlink(link))?.[1] ?? '0', 10);
  } catch {
    return 0;
  }
}

/** Gives files of one version their names in the next one as well. */
async function shareFiles(
  { from, to }: { readonly from: string; readonly to: string },
  kept: NextContents['kept'],
  access: Access,
): Promise<void> {
  const folders = new Set<string>();
  for (const { files } of Object.values(kept)) {
    for (const path of Object.keys(files)) {
      const folder = dirname(join(to, path));
      if (!folders.has(folder)) await makeFolder(folder, access);
      folders.add(folder);
      await shareFile(join(from, path), join(to, path));
    }
  }
}

/**
 * A folder whose `current` is a symbolic link to the whole state, so that all files of a change appear in one step. The version before stays until the
 * next change, for programs that have just opened one of its files, and so does the one that a balancer uses.
 */
export function openVersionedFolder(folder: string, options: FolderOptions): CertificateFolder {
  const { access, form } = options;
  const path = join(folder, CURRENT);
  const { isBegun, read, known, keep } = remember(path, form);
  const versions = join(folder, VERSIONS);
  const pathOf = (version: number) => join(folder, linkTo(version));

  async function removeVersions(keep: readonly number[]): Promise<void> {
    const kept = new Set(keep.map((version) => pathOf(version)));
    for (const name of await readdir(versions)) {
      const isOurs = /^\d{8}$/.test(name) || isUnfinished(name);
      if (isOurs && !kept.has(join(versions, name))) await rm(join(versions, name), { recursive: true, force: true });
    }
  }

  return {
    path,
    isBegun,
    read,
    known,
    async write(next) {
      await makeFolder(versions, access);
      const stats = await lstat(path).catch(() => undefined);
      if (stats && !stats.isSymbolicLink()) {
        const what = `${path} is there and is not a symbolic link of the agent. Move it away, or name another folder.`;
        throw Object.assign(new Error(what), { code: 'EEXIST' });
      }
      const [before, used] = [await versionAt(path), await versionAt(join(folder, IN_USE))];
      // What a killed agent left, among it a whole version that was never shown.
      await removeVersions([before, before - 1, used]);
      await removeUnfinished(folder);
      const building = unfinishedName(pathOf(before + 1));
      await makeFolder(building, access);
      await shareFiles({ from: path, to: building }, next.kept, access);
      const manifest = await writeAll(building, next, { ...options, shownAs: pathOf(before + 1) });
      await writeDurably(join(building, MANIFEST), formatManifest(manifest), { access, isSecret: false });
      await flushFolder(building);
      await rename(building, pathOf(before + 1));
      await flushFolder(versions);
      await pointLink(path, linkTo(before + 1));
      await removeVersions([before + 1, before, used]);
      return keep(manifest);
    },
    use: async () => pointLink(join(folder, IN_USE), linkTo(await versionAt(path))),
  };
}
