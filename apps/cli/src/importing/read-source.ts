/** Reads what a command names to import: files, or the folder of another program. */
import { statSync } from 'node:fs';
import { readFile } from '@certbus/runtime/local';
import { CliError } from '../errors.ts';
import type { Passphrase } from './pem.ts';
import type { Reading } from './reading.ts';
import { openTree, type Tree } from './tree.ts';

/** What certificates can be imported from. */
export const IMPORT_FORMATS = ['pem'] as const;

/** One of {@link IMPORT_FORMATS}. */
export type ImportFormat = (typeof IMPORT_FORMATS)[number];

/** What is read, and how. */
export interface SourceOptions {
  /** Default: as it looks. */
  readonly format: ImportFormat | undefined;
  readonly passphrase: Passphrase;
}

async function readFolder(tree: Tree, { passphrase }: SourceOptions): Promise<Reading> {
  const { readPemFolder } = await import('./formats/pem-files.ts');
  return readPemFolder(tree, passphrase);
}

async function readFiles(paths: readonly string[], { passphrase }: SourceOptions): Promise<Reading> {
  const files = paths.map((path) => ({ source: path, text: readFile(path, 'What is to be imported') }));
  const { findPairs } = await import('./formats/pem-files.ts');
  return findPairs(files, passphrase);
}

/**
 * Reads one folder, or files that belong together. Throws `CERTBUS_CLI_USAGE` for a folder among others, `CERTBUS_CLI_FILE_UNREADABLE` for a
 * file, and the error of the system for a folder that cannot be read.
 */
export async function readSource(paths: readonly string[], options: SourceOptions): Promise<Reading> {
  const [first = ''] = paths;
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
  if (!paths.some(isFolder)) return readFiles(paths, options);
  if (paths.length === 1) return readFolder(openTree(first), options);
  throw new CliError('CERTBUS_CLI_USAGE', 'Name one folder, or files that belong together, not both.');
}
