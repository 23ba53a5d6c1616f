/** A bucket of a CA in virtual time: what it is now, and when it has room as orders come. */
import type { Rate } from '@certbus/acme';
import { type Count, spendingOf } from '../../decide/limits.ts';
import { fullAt, roomAt, stretchOf } from '../../decide/room.ts';
import type { ManagerState } from '../../state/state.ts';

/** A bucket in virtual time. */
export interface VirtualBucket {
  /** What it is called where it is the one that orders wait for. */
  readonly name: string;
  /** From when on it has a token, at an instant or later, milliseconds since 1970. */
  readyAt(instant: number): number;
  take(instant: number): void;
  /** How many orders it takes at once at an instant. */
  left(instant: number): number;
}

/** Begins with a bucket as it is; `full` as `fullAt` has it. */
export function createVirtualBucket(
  name: string,
  rate: Rate,
  { full = Number.NEGATIVE_INFINITY, held = 0, kept = 0 }: { full?: number; held?: number; kept?: number } = {},
): VirtualBucket {
  let current = full;
  const { capacity, refillMs } = rate;
  const taken = Math.floor(capacity * kept) + held;
  return {
    name,
    readyAt: (instant) => Math.max(instant, roomAt(rate, current, { now: new Date(instant), held, kept }).getTime()),
    take(instant) {
      current = Math.max(current, instant) + refillMs;
    },
    left: (instant) => Math.max(0, Math.floor(capacity - taken - Math.max(0, current - instant) / refillMs)),
  };
}

/** The bucket of a count, with what was spent of it until now. */
export function bucketOf(
  state: Pick<ManagerState, 'spending'>,
  { limit, subject, keys, rate, kept }: Count,
  now: Date,
): VirtualBucket {
  const { held, spent } = spendingOf(state, keys, stretchOf(rate, now));
  const name = limit === 'orders' ? limit : `${limit} ${subject}`;
  return createVirtualBucket(name, rate, { full: fullAt(rate, { spent }, now), held, kept });
}
