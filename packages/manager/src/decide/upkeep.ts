/** Decides what is recorded of the bus's own upkeep: heartbeats, archives, snapshots. */
import type { WrittenEvent } from '@certbus/events/history';
import type { ArchivedRange, TakenSnapshot } from '@certbus/store';
import type { ManagerState } from '../state/state.ts';

const DAY_MS = 86_400_000;

/**
 * Writes a heartbeat where nothing else was written for 24 hours, so that silence can be told from a frozen bus. A newest commit from
 * further in the future than that was written by a manager whose clock was wrong, and does not count: so no bus is silent for more than
 * 48 hours.
 */
export function heartbeat({ bus }: ManagerState, now: Date): { events: WrittenEvent[]; result: boolean } {
  const quietMs = bus.newestAt === undefined ? 0 : now.getTime() - Date.parse(bus.newestAt);
  return quietMs >= DAY_MS || quietMs < -DAY_MS
    ? { events: [{ type: 'Heartbeat' }], result: true }
    : { events: [], result: false };
}

/** When a heartbeat is due where nothing else is written; `undefined` on a bus without a commit. */
export const nextHeartbeat = ({ bus }: ManagerState): Date | undefined =>
  bus.newestAt === undefined ? undefined : new Date(Date.parse(bus.newestAt) + DAY_MS);

/** Records that a range was archived, unless another manager recorded it first. */
export function archived({ bus }: ManagerState, range: ArchivedRange): { events: WrittenEvent[]; result: boolean } {
  const isNext = range.first === (bus.archived?.position ?? 0) + 1;
  return { events: isNext ? [{ type: 'RangeArchived', ...range }] : [], result: isNext };
}

/** Records that a snapshot was taken, unless a newer one was taken meanwhile. */
export function snapshotTaken(
  { bus }: ManagerState,
  taken: TakenSnapshot,
): { events: WrittenEvent[]; result: boolean } {
  const isNewest = taken.position > (bus.snapshots.at(-1)?.position ?? 0);
  return { events: isNewest ? [{ type: 'SnapshotTaken', ...taken }] : [], result: isNewest };
}
