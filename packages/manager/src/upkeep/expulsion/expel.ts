/** Expels a manager, from the event on the bus to what is left to do by hand. */
import type { Floor } from '@certbus/events';
import { floorAt } from '@certbus/events/history';
import { type Log, openBus } from '@certbus/store';
import type { UpkeepOperations } from '../upkeep-operations.ts';
import type { CompletedExpulsion } from './completion.ts';
import { type ExpulsionOptions, recordExpulsion } from './record.ts';
import { findSuspect, type Suspect, type Suspicion } from './suspect.ts';

/** What came of an expulsion. */
export interface ExpelledManager extends Omit<Suspect, 'head'>, CompletedExpulsion {
  /** For the trust file of every machine (`writeFloor` of `@certbus/runtime`), so that none begins on a log that was cut off before the expulsion. */
  readonly floor: Floor;
}

/**
 * Expels a manager: the root's event, then fresh account keys at the CAs and the configuration sealed to those who are left, by a manager
 * in force. It is finished only when it resolves, and can be run again after an end at any step. Look at `planExpulsion` first. Rejects
 * `CERTBUS_MANAGER_MANAGER_NOT_FOUND`, and as {@link recordExpulsion} and `completeExpulsion` do.
 */
export async function expelManager(
  manager: Pick<UpkeepOperations, 'completeExpulsion'>,
  { log, stream }: { readonly log: Log; readonly stream: string },
  { signal, ...options }: ExpulsionOptions & Suspicion & { readonly signal: AbortSignal },
): Promise<ExpelledManager> {
  const { trust, archive } = options;
  const { head: _, ...suspect } = await findSuspect(openBus(log, stream, { trust, archive }), options, { signal });
  const recorded = await recordExpulsion(log, stream, { ...options, suspect, signal });
  return { ...suspect, ...(await manager.completeExpulsion({ signal })), floor: floorAt(recorded) };
}
