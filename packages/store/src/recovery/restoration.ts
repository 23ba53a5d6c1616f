import { BEGINNING, type Checkpoint, HistoryError } from '@certbus/events/history';
import type { ArchivePlace } from '../archive/place.ts';
import { openSnapshot } from '../archive/snapshot.ts';
import type { Bus } from '../bus.ts';

export interface RestorationOptions {
  /** Where snapshots lie, which spare reading the bus from its beginning. */
  readonly archive?: ArchivePlace | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether the line that begins behind `start` is good and tells of a restore that `known` has not heard of. */
async function tellsOfRestore(
  bus: Bus,
  { start, known, signal }: { start: Checkpoint; known: Checkpoint; signal: AbortSignal | undefined },
): Promise<boolean> {
  for (let checkpoint = start; ; ) {
    // A sequence that was not used before: the replay of an older restore, by whoever cuts the log off, is none.
    if (checkpoint.restored > known.rootSequence) return true;
    const page = await bus.read(checkpoint, { consistent: true, signal });
    if (page.checkpoint.restored > known.rootSequence) return true;
    if (page.refused) throw page.refused;
    if (page.end) return false;
    ({ checkpoint } = page);
  }
}

/**
 * Whether the bus, whose history no longer holds `known`, was restored by its root to another line: then a `BusRestored` is on it
 * that `known` has not heard of. Rejects with a `StoreError`; a history that is refused tells of nothing.
 */
export async function isRestored(
  bus: Bus,
  known: Checkpoint,
  { archive, signal }: RestorationOptions = {},
): Promise<boolean> {
  const snapshot = archive && (await openSnapshot(archive, bus.trust, { signal }).catch(() => undefined));
  signal?.throwIfAborted();
  for (const start of snapshot ? [snapshot.checkpoint, BEGINNING] : [BEGINNING]) {
    try {
      await bus.confirm(start, { signal });
      return await tellsOfRestore(bus, { start, known, signal });
    } catch (error) {
      // A snapshot of the line that was lost does not fit the one that is there.
      if (!(error instanceof HistoryError)) throw error;
    }
  }
  return false;
}
