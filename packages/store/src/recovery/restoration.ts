/** Finds out whether a bus was restored to another line of history. */
import { BEGINNING, type Checkpoint, HistoryError } from '@certbus/events/history';
import type { ArchivePlace } from '../archive/place.ts';
import { openSnapshot } from '../archive/snapshot.ts';
import type { Bus } from '../bus-port.ts';

export interface RestorationOptions {
  /** Where snapshots are, which save reading the bus from its beginning. */
  readonly archive?: ArchivePlace | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Whether the line that begins behind `start` is good and has a restore that `known` does not include. */
async function hasNewRestore(
  bus: Bus,
  { start, known, signal }: { start: Checkpoint; known: Checkpoint; signal: AbortSignal | undefined },
): Promise<boolean> {
  for (let checkpoint = start; ; ) {
    // Only a sequence that was not used before counts: somebody who cuts the log off could replay an older restore.
    if (checkpoint.restored > known.rootSequence) return true;
    const page = await bus.read(checkpoint, { consistent: true, signal });
    if (page.checkpoint.restored > known.rootSequence) return true;
    if (page.refused && page.commits.length === 0) throw page.refused;
    if (page.end && !page.refused) return false;
    ({ checkpoint } = page);
  }
}

/**
 * Whether the bus, whose history no longer holds `known`, was restored by its root to another line: then it has a `BusRestored`
 * that `known` does not include. Rejects with a `StoreError`; false for a history that is refused.
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
      return await hasNewRestore(bus, { start, known, signal });
    } catch (error) {
      // A snapshot of the line that was lost does not fit the one that is there.
      if (!(error instanceof HistoryError)) throw error;
    }
  }
  return false;
}
