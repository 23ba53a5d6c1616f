/** Reads the files below a folder that somebody else can write: nothing outside of it, nothing that never ends, nothing that is huge. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describeFileProblem, textOf } from '@certbus/store/sqlite-files';
import { CliError } from '../errors.ts';

/** What a folder has under a name. A link counts as what it leads to, where that is in the folder; `other` for pipes and what leads out. */
export interface Entry {
  readonly name: string;
  readonly kind: 'file' | 'folder' | 'other';
}

/** A text, or why it was not read. */
export type FileRead = { readonly text: string } | { readonly why: string };

/** A folder whose files can be read. Paths are relative to it, with `/`. */
export interface Tree {
  /** As its user named it. */
  readonly path: string;
  /** Entries of a folder by name; empty where it is not there. Throws `CERTBUS_CLI_FILE_PROBLEM` where it cannot be read. */
  list(folder: string): readonly Entry[];
  /** Where a folder is once all links are followed; `undefined` where it is not there, or not in the tree. */
  realOf(folder: string): string | undefined;
  /** Whether something is there. */
  has(path: string): boolean;
  read(path: string): FileRead;
}

/** Chains and keys are hundreds of times smaller. */
const MAX_FILE_BYTES = 1_048_576;
/** As many as a large host has certificates, some times over; all files together are held in memory. */
const MAX_ENTRIES = 500_000;
const MAX_BYTES = 268_435_456;

/** What is looked at in one tree, over all calls. Links can make a small folder look like one without an end. */
export interface TreeLimits {
  /** Default 500,000. More are a `CERTBUS_CLI_FILE_PROBLEM`. */
  readonly maxEntries?: number;
  /** Default 256 MiB. Files that come after are not read. */
  readonly maxBytes?: number;
}

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

const LEADS_OUT = 'it is a symbolic link that leads out of the folder, and is not followed';

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** The text of a regular file of a size that fits; a pipe is not waited for. Throws the error of the system, or in words. */
function readText(real: string, room: number): FileRead {
  const file = openSync(real, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return { why: 'it is not a regular file' };
    if (stats.size > MAX_FILE_BYTES) return { why: 'it is larger than 1 MiB' };
    if (stats.size > room) return { why: 'the files before it are as much as is read of one folder' };
    return { text: textOf(readFileSync(file)) };
  } finally {
    closeSync(file);
  }
}

/** Opens a folder. Throws the error of the system where it is not there. */
export function openTree(path: string, { maxEntries = MAX_ENTRIES, maxBytes = MAX_BYTES }: TreeLimits = {}): Tree {
  const root = realpathSync(path);
  let [entriesLeft, bytesLeft] = [maxEntries, maxBytes];

  const inside = (name: string): string | undefined => {
    const real = realpathSync(join(root, name));
    return isInside(root, real) ? real : undefined;
  };

  function kindOf(name: string): Entry['kind'] {
    try {
      const real = inside(name);
      const stats = real === undefined ? undefined : lstatSync(real);
      return stats?.isFile() ? 'file' : stats?.isDirectory() ? 'folder' : 'other';
    } catch {
      return 'other';
    }
  }

  return {
    path,
    list(folder) {
      try {
        const real = inside(folder);
        if (real === undefined) return [];
        const names = readdirSync(real).sort();
        entriesLeft -= names.length;
        if (entriesLeft < 0) {
          const what = `${path} and the folders in it have more than ${maxEntries} entries, or links in it lead there again and again. Name a smaller folder.`;
          throw new CliError('CERTBUS_CLI_FILE_PROBLEM', what);
        }
        return names.map((name) => ({ name, kind: kindOf(join(folder, name)) }));
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
    realOf(folder) {
      try {
        return inside(folder);
      } catch {
        return undefined;
      }
    },
    has(name) {
      return lstatSync(join(root, name), { throwIfNoEntry: false }) !== undefined;
    },
    read(name) {
      try {
        const real = inside(name);
        if (real === undefined) return { why: LEADS_OUT };
        const read = readText(real, bytesLeft);
        if ('text' in read) bytesLeft -= Buffer.byteLength(read.text);
        return read;
      } catch (error) {
        return { why: describeFileProblem(error, join(path, name)) };
      }
    },
  };
}

/**
 * The files below a folder of a tree, and what is neither file nor folder, in order; folders are gone into `depth` times, and none that the way led
 * through already. A folder to which two names lead is gone into by both: certbot has one account at two addresses of its CA that way.
 */
export function* walk(
  tree: Tree,
  folder: string,
  depth: number,
  above: readonly string[] = [],
): Iterable<Entry & { readonly path: string }> {
  const real = tree.realOf(folder);
  if (real === undefined || above.includes(real)) return;
  for (const entry of tree.list(folder)) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.kind !== 'folder') yield { ...entry, path };
    else if (depth > 0) yield* walk(tree, path, depth - 1, [...above, real]);
  }
}
