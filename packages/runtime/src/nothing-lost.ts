/** Compares a bus with what this machine has read of it before. */
import type { Checkpoint } from '@certbus/events/history';
import type { Bus } from '@certbus/store';
import type { Environment } from './environment.ts';
import { nothingThere } from './errors.ts';
import { knownCheckpoint } from './open-bus.ts';

/**
 * Holds a bus, read up to its end, against what this machine's manager has read before: a history that was cut off is good as
 * far as it goes. Rejects `CERTBUS_STORE_NOT_FOUND` for an empty stream, and with a `HistoryError`.
 */
export async function checkNothingLost(
  bus: Bus,
  end: Checkpoint,
  { environment, signal }: { readonly environment: Environment; readonly signal: AbortSignal },
): Promise<void> {
  const known = await knownCheckpoint(environment);
  // After a restore that the root announced, this machine may not have read the new line yet.
  if (known && end.restored <= known.rootSequence) await bus.confirm(known, { signal });
  if (end.position === 0) throw nothingThere(environment.config.bus);
}
