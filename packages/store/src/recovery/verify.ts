/** Verifies a whole bus: every position, link, signature and id. */
import { BEGINNING, type Checkpoint, HistoryError } from '@certbus/events/history';
import type { Bus } from '../bus-port.ts';
import type { BackupOptions } from './backup.ts';
import { createCommitIds } from './commit-ids.ts';

/** What a whole bus was found to be. */
export interface VerifiedBus {
  /** Where it ends. */
  readonly checkpoint: Checkpoint;
  /** The first commit whose id an earlier commit has, if there is one: everything else about it is good. */
  readonly repeated?: HistoryError;
}

/**
 * Reads a bus from its first commit to its head, strongly, and checks every position, link, signature and id. Rejects with the
 * `HistoryError` of what is refused, and with a `StoreError`.
 */
export async function verifyBus(bus: Bus, { signal, onProgress }: BackupOptions = {}): Promise<VerifiedBus> {
  const ids = createCommitIds();
  let checkpoint = BEGINNING;
  let repeated: HistoryError | undefined;
  for (;;) {
    const page = await bus.read(checkpoint, { consistent: true, everySignature: true, signal });
    for (const { id, position, by } of page.commits) {
      const first = ids.add(id, position);
      if (first !== undefined) repeated ??= repeatedAt(position, first, by);
    }
    ({ checkpoint } = page);
    if (page.refused) throw page.refused;
    onProgress?.(checkpoint.position);
    if (page.end) return repeated ? { checkpoint, repeated } : { checkpoint };
  }
}

function repeatedAt(position: number, first: number, by: string): HistoryError {
  const why = `its id was used at position ${first} already. It is signed and linked, and followers take it; but "${by.slice(0, 80)}" drew the same 128 random bits twice: look whether its machine was cloned while it ran`;
  return new HistoryError('CERTBUS_EVENTS_ID_REPEATED', position, why);
}
