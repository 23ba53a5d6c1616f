/** The archive as one reader of one bus uses it: it remembers which ranges are missing or damaged. */
import type { StoredCommit } from '../log.ts';
import { createArchiveReader, RANGE_COMMITS } from './archive.ts';
import type { ArchivePlace } from './place.ts';

const DEFAULT_LIMIT = 150;

/** Archived commits for one reader. */
export interface ArchiveSource {
  /** What the archive has behind a position; nothing for a range that was missing, or failed, the last time. */
  read(
    after: number,
    options: { readonly limit?: number; readonly signal?: AbortSignal | undefined },
  ): Promise<readonly StoredCommit[]>;
  /** Skips the range behind a position: an archive that is out of reach or damaged delays its reader once a range, not once a page. */
  skip(after: number): void;
  /** Allows what was missing, or failed, to be asked for again. */
  retry(): void;
}

/** Knows of no missing range yet. */
export function createArchiveSource(place: ArchivePlace, busId: string): ArchiveSource {
  const reader = createArchiveReader(place, busId);
  const rangeOf = (after: number): number => Math.floor(after / RANGE_COMMITS);
  let missing = Number.POSITIVE_INFINITY;
  let failed: number | undefined;
  return {
    async read(after, { limit = DEFAULT_LIMIT, signal }) {
      const range = rangeOf(after);
      if (range >= missing || range === failed) return [];
      const found = await reader.read(after, limit, { signal });
      // Ranges are archived in order: those behind a missing one are missing, too.
      if (!found) missing = range;
      return found ?? [];
    },
    skip(after) {
      failed = rangeOf(after);
    },
    retry() {
      missing = Number.POSITIVE_INFINITY;
      failed = undefined;
    },
  };
}
