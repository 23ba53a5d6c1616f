/** Records on a bus that its store was put back to an earlier state. */
import type { Floor, Signer, Trust } from '@certbus/events';
import {
  BEGINNING,
  type Checkpoint,
  contradictionOfFloor,
  floorAt,
  HistoryError,
  isBelowFloor,
  signRootEvent,
} from '@certbus/events/history';
import { type ArchivePlace, type Bus, type Log, openBus, VersionConflictError } from '@certbus/store';
import { ManagerError } from '../errors.ts';

/** How far the sequence leaps: the part that was lost can have held root events that nobody remembers. */
const LEAP = 100;
const ATTEMPTS = 5;

/** What a restore is recorded with. */
export interface RestoreOptions {
  readonly trust: Trust;
  readonly root: Signer;
  /** The furthest position that was read here of the line that was lost; default nothing. */
  readonly known?: Checkpoint | undefined;
  readonly archive?: ArchivePlace | undefined;
  readonly now?: () => Date;
  readonly signal?: AbortSignal | undefined;
}

/** `false` only where the bus holds something else; where it does not answer, the error stands. */
async function isStillThere(bus: Bus, known: Checkpoint, signal: AbortSignal | undefined): Promise<boolean> {
  try {
    await bus.confirm(known, { signal });
    return true;
  } catch (error) {
    if (error instanceof HistoryError) return false;
    throw error;
  }
}

/**
 * Records on a bus whose store was put back to an earlier state that its line goes on from there, so that followers beyond it build
 * their replicas again, and the floor of the trust counts no more. Verifies the bus first. Returns the floor at what was recorded, for the
 * trust file. Rejects `CERTBUS_MANAGER_NOT_RESTORED` when `known` and the floor are still on the bus, with the `HistoryError` of a refused
 * commit, and with a `StoreError`.
 */
export async function recordRestored(
  log: Log,
  stream: string,
  { trust, root, known, archive, now = () => new Date(), signal }: RestoreOptions,
): Promise<{ position: number; floor: Floor }> {
  const { busId, rootKey, floor } = trust;
  // What was put back can end below the floor: the root's word for it is what lifts it.
  const bus = openBus(log, stream, { trust: { busId, rootKey }, signer: root, archive });
  let head: Checkpoint = BEGINNING;
  let contradiction: HistoryError | undefined;
  for (let attempt = 1; ; attempt += 1) {
    for (;;) {
      const page = await bus.read(head, { consistent: true, signal });
      if (page.refused) throw page.refused;
      contradiction ??= contradictionOfFloor(trust, head, page);
      head = page.checkpoint;
      if (page.end) break;
    }
    if (head.hash === null)
      throw new ManagerError('CERTBUS_MANAGER_NOT_RESTORED', 'The bus is empty: restore or import it first.');
    const isFloorThere =
      !isBelowFloor(trust, head) && (contradiction === undefined || head.restored > (floor?.rootSequence ?? 0));
    if (known && known.position > 0 && isFloorThere && (await isStillThere(bus, known, signal)))
      throw new ManagerError(
        'CERTBUS_MANAGER_NOT_RESTORED',
        `Position ${known.position}, the last that this machine has read, is still on the bus: nothing was lost, so there is nothing to record.`,
      );
    const sequence = Math.max(head.rootSequence, known?.rootSequence ?? 0, floor?.rootSequence ?? 0) + LEAP;
    const { position, hash } = head;
    const event = signRootEvent(root, trust.busId, sequence, { type: 'BusRestored', position, hash });
    try {
      const { checkpoint } = await bus.append(head, [event], { at: now(), signal });
      return { position: checkpoint.position, floor: floorAt(checkpoint) };
    } catch (error) {
      if (!(error instanceof VersionConflictError) || attempt >= ATTEMPTS) throw error;
    }
  }
}
