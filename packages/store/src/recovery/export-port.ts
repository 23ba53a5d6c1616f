/** The port to the file of an export: what an adapter implements. */
import { StoreError } from '../errors.ts';
import type { StoredCommit } from '../log.ts';

/** A bus in one file: blocks of commits, to which more are added. */
export interface ExportFile {
  /**
   * The commits of each whole block, in order. Rejects `CERTBUS_STORE_EXPORT_REFUSED` for a damaged block; an unfinished last
   * one is left out, and {@link ExportFile.isTorn} says so.
   */
  blocks(): AsyncIterable<readonly StoredCommit[]>;
  /** Whether the last pass over {@link ExportFile.blocks} found the last one unfinished. */
  readonly isTorn: boolean;
  /** Adds a block behind the last whole one, durably. Only after all of {@link ExportFile.blocks} were read. */
  append(commits: readonly StoredCommit[]): Promise<void>;
  close(): Promise<void>;
}

/** The error of an export that is damaged, unfinished or of another history. */
export function exportRefused(why: string, cause?: unknown): StoreError {
  return new StoreError('CERTBUS_STORE_EXPORT_REFUSED', `The export is refused: ${why}.`, { cause });
}
