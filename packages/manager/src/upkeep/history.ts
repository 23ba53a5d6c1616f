/** Reads a bus from its beginning, for what is decided about a key that was stolen. */
import { BEGINNING, type Checkpoint, type Commit, type Expulsion } from '@certbus/events/history';
import type { Bus, StoredCommit } from '@certbus/store';

/** A proved commit with its bytes, and what is in force in front of it. */
export interface ReadCommit {
  readonly commit: Commit;
  readonly stored: StoredCommit;
}

/** How a bus is read. */
export interface HistoryOptions {
  /** What is expelled further on, or would be. Default nothing. */
  readonly expelled?: readonly Expulsion[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Reads all that is proved of a bus, and returns the checkpoint at its head. Rejects with the `HistoryError` of a commit that is refused, and
 * with a `StoreError`.
 */
export async function* readHistory(
  bus: Bus,
  { expelled = [], signal }: HistoryOptions = {},
): AsyncGenerator<ReadCommit, Checkpoint> {
  for (let from: Checkpoint = { ...BEGINNING, expelled }; ; ) {
    const { commits, stored, checkpoint, end, refused } = await bus.read(from, { consistent: true, signal });
    // What is refused at the end of a page may be good further on, by the signature behind it.
    if (refused && commits.length === 0) throw refused;
    for (const [index, commit] of commits.entries()) {
      const bytes = stored[index];
      if (bytes) yield { commit, stored: bytes };
    }
    from = checkpoint;
    if (end && !refused) return from;
  }
}
