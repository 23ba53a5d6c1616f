/** A folder of certificate files that changes in steps of which each can be the last one before a kill. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { sha256 } from '@certbus/events';
import { together } from '../together.ts';
import type { Access } from './access.ts';
import { flushFolder, giveAccess, letIn, makeOwnFolder, writeDurably } from './durable.ts';
import type { CertificateFile } from './layouts.ts';
import {
  type AstrayFile,
  createManifestReader,
  formatManifest,
  intactPart,
  MANIFEST,
  type Manifest,
  type ManifestEntry,
} from './manifest.ts';
import { checkPlace } from './own-place.ts';

/** What a folder is to hold. */
export interface NextContents {
  readonly defaultId: string | undefined;
  /** Certificates that stay as they are in the list, unless they are written. */
  readonly kept: Readonly<Record<string, ManifestEntry>>;
  /** Certificates that are written, a few at one time. */
  readonly written: AsyncIterable<WrittenCertificate> | Iterable<WrittenCertificate>;
  /**
   * Files of all certificates together, made once the list is known.
   *
   * @param folder where these files are for as long as a balancer may read them there.
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
  /** Names everything else on which the content of the files depends: those of another one are outdated. */
  readonly form: string;
  /** Whether a balancer or a command judges the files after each change: what was there before is kept until {@link CertificateFolder.settle}. */
  readonly isJudged: boolean;
  /** Whether shared files name the folder that they are made for: it goes on leading to files for as long as a balancer may have read them. */
  readonly isNamedInShared?: boolean;
  /** A folder above it that others may write to; default none. */
  readonly sharedVolume?: string | undefined;
}

/** What a folder held when it was settled. */
export interface SettledFiles {
  readonly manifest: Manifest;
  /** Where a file of it is now. */
  pathOf(file: string): string;
}

/**
 * A folder of certificate files. All but {@link CertificateFolder.isBegun} reject `CERTBUS_AGENT_TARGET_FAILED` where another user could lead what is
 * written there elsewhere.
 */
export interface CertificateFolder {
  /** Where the files are read: the paths of the list are below it. */
  readonly path: string;
  /** Whether anything was ever written there; a balancer may need the files of all certificates together before there is a certificate. */
  isBegun(): boolean;
  /** Reads every file: what is in it as it was written. What was changed or removed by others is left out. */
  read(): Promise<Manifest>;
  /** What the last {@link CertificateFolder.read} found, with what was written since. Reads only where there was none. */
  known(): Promise<Manifest>;
  /** Whether the owner, group and mode of all files were those that they were given, when they were read last. */
  hasOwnAccess(): boolean;
  /** Gives the files owner, group and mode again that somebody changed. */
  restoreAccess(): Promise<void>;
  /** Changes it. What is not in the next contents is removed, as far as the agent wrote it. */
  write(next: NextContents): Promise<Manifest>;
  /** Whether shared files that a change would write are those that are there. */
  hasShared(shared: NextContents['shared']): Promise<boolean>;
  /** Whether what is there was judged; after a kill it may not have been. */
  isSettled(): Promise<boolean>;
  /** Notes that what is there is good. */
  settle(): Promise<void>;
  /** What was noted as good last: an empty list where nothing was. */
  settled(): Promise<SettledFiles>;
  /** Resolves once nothing of an earlier change is under way any more. */
  close(): Promise<void>;
}

const hashesOf = (files: readonly CertificateFile[]): Record<string, string> =>
  Object.fromEntries(files.map(({ path, content }) => [path, sha256(Buffer.from(content))]));

/** Whether files have the contents of these hashes, and are all of them. */
export const areSameFiles = (files: readonly CertificateFile[], hashes: Readonly<Record<string, string>>): boolean =>
  files.length === Object.keys(hashes).length &&
  Object.entries(hashesOf(files)).every(([path, hash]) => hashes[path] === hash);

/** Paths of all files of a list. */
export const pathsOf = ({ shared, certificates }: Manifest): Set<string> =>
  new Set([shared, ...Object.values(certificates).map(({ files }) => files)].flatMap((files) => Object.keys(files)));

/** How {@link writeAll} writes. */
export interface WriteOptions extends Pick<FolderOptions, 'access' | 'form'> {
  /** The folder as shared files name it. */
  readonly shownAs: string;
  /** Called before a file is written. */
  readonly before?: (path: string) => Promise<void>;
}

/** Certificates whose files are written at one time: a disk flushes several of them in little more time than one. */
const WRITTEN_TOGETHER = 8;

/** Writes certificates and shared files below a folder, and returns their list. */
export async function writeAll(
  folder: string,
  next: NextContents,
  { access, form, shownAs, before = async () => {} }: WriteOptions,
): Promise<Manifest> {
  const folders = new Set<string>([folder]);
  const write = async ({ path, content, isSecret }: CertificateFile) => {
    const full = join(folder, path);
    if (!folders.has(dirname(full))) {
      await makeOwnFolder(dirname(full), access);
      await letIn(dirname(full), access, { isOwn: true });
    }
    folders.add(dirname(full));
    await before(path);
    await writeDurably(full, content, { access, isSecret });
  };
  const certificates: Record<string, ManifestEntry> = { ...next.kept };
  await together(next.written, WRITTEN_TOGETHER, async ({ certificateId, entry, files }) => {
    certificates[certificateId] = { ...entry, files: hashesOf(files) };
    for (const file of files) await write(file);
  });
  const { defaultId } = next;
  const isThere = defaultId !== undefined && certificates[defaultId] !== undefined;
  const listed = { ...(isThere ? { defaultId } : {}), certificates };
  const shared = next.shared(listed, shownAs);
  for (const file of shared) await write(file);
  for (const made of folders) await flushFolder(made);
  return { version: 1, form, ...listed, shared: hashesOf(shared) };
}

/** Remembers what a folder was found to hold: only one agent writes there. */
export function remember(
  folder: string,
  path: string,
  { access: own, form, sharedVolume }: Pick<FolderOptions, 'access' | 'form' | 'sharedVolume'>,
) {
  let known: Manifest | undefined;
  let astray: AstrayFile[] = [];
  /** Whether the file system keeps owners and modes, as far as is known: where it does not, they are not looked at. */
  let keepsAccess = true;
  const list = createManifestReader();
  const listed = () => list.read(path);
  const read = async () => {
    checkPlace(folder, sharedVolume);
    astray = [];
    const onAstray = (file: AstrayFile) => void astray.push(file);
    known = await intactPart(path, await listed(), { form, access: keepsAccess ? own : undefined, onAstray });
    return known;
  };
  return {
    isBegun: () => existsSync(join(path, MANIFEST)),
    read,
    known: async () => known ?? (await read()),
    hasOwnAccess: () => astray.length === 0,
    async restoreAccess(): Promise<void> {
      for (const { path: file, isSecret } of astray)
        keepsAccess = (await giveAccess(join(path, file), { access: own, isSecret })) && keepsAccess;
      astray = [];
    },
    /** What the list says, whether the files are so or not. */
    listed,
    /** Writes the list of files that are to be read at the path from now on. */
    async writeList(to: string, manifest: Manifest, access: Access): Promise<void> {
      const text = formatManifest(manifest);
      await writeDurably(join(to, MANIFEST), text, { access, isSecret: false });
      list.wrote(text, manifest);
    },
    keep(manifest: Manifest): Manifest {
      known = manifest;
      return manifest;
    },
  };
}
