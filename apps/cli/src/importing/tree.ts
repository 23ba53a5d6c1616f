/** Reads the files below a folder that somebody else can write: nothing outside of it, nothing that never ends, nothing that is huge. */
import { closeSync, constants, fstatSync, lstatSync, openSync, readdirSync, readFileSync, realpathSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { describeFileProblem } from '@certbus/store/sqlite-files';
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
  /** Whether something is there. */
  has(path: string): boolean;
  read(path: string): FileRead;
}

/** Chains and keys are hundreds of times smaller. */
const MAX_FILE_BYTES = 1_048_576;
/** As many as a large host has certificates, some times over. */
const MAX_ENTRIES = 100_000;

const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR');

const LEADS_OUT = 'it is a symbolic link that leads out of the folder, and is not followed';

function isInside(root: string, path: string): boolean {
  const way = relative(root, path);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** The text of a regular file; a pipe is not waited for. Throws the error of the system, or in words. */
function readText(real: string): FileRead {
  const file = openSync(real, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0) | (constants.O_NOFOLLOW ?? 0));
  try {
    const stats = fstatSync(file);
    if (!stats.isFile()) return { why: 'it is not a regular file' };
    if (stats.size > MAX_FILE_BYTES) return { why: 'it is larger than 1 MiB' };
    return { text: readFileSync(file, 'utf8') };
  } finally {
    closeSync(file);
  }
}

/** Opens a folder. Throws the error of the system where it is not there. */
export function openTree(path: string): Tree {
  const root = realpathSync(path);

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
        if (names.length > MAX_ENTRIES)
          throw new CliError('CERTBUS_CLI_FILE_PROBLEM', `${join(path, folder)} has more than ${MAX_ENTRIES} entries.`);
        return names.map((name) => ({ name, kind: kindOf(join(folder, name)) }));
      } catch (error) {
        if (isMissing(error)) return [];
        throw error;
      }
    },
    has(name) {
      return lstatSync(join(root, name), { throwIfNoEntry: false }) !== undefined;
    },
    read(name) {
      try {
        const real = inside(name);
        return real === undefined ? { why: LEADS_OUT } : readText(real);
      } catch (error) {
        return { why: describeFileProblem(error, join(path, name)) };
      }
    },
  };
}

/** The files below a folder of a tree, and what is neither file nor folder, in order; folders are gone into `depth` times. */
export function* walk(tree: Tree, folder: string, depth: number): Iterable<Entry & { readonly path: string }> {
  for (const entry of tree.list(folder)) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (entry.kind !== 'folder') yield { ...entry, path };
    else if (depth > 0) yield* walk(tree, path, depth - 1);
  }
}
