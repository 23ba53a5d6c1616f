/** Says when a limit of a CA leaves room, from what was spent of it: a token bucket, as Boulder counts. */
import type { Rate } from '@certbus/acme';
import type { SpendingStretch } from '@certbus/replica';
import type { Spending } from '../state/spending.ts';

/** A part of each limit is left unused, for clocks that differ and for what was ordered elsewhere: a refusal costs more. */
const LEFT = 20;

/** A rate a little under what a CA allows; a small one keeps its burst. */
export function belowLimit({ capacity, refillMs }: Rate): Rate {
  return { capacity: capacity - Math.floor(capacity / LEFT), refillMs: (refillMs * LEFT) / (LEFT - 1) };
}

/** In what time an empty bucket is full again, milliseconds. */
const windowOf = ({ capacity, refillMs }: Rate): number => capacity * refillMs;

/** How far the clock of one who spent can be ahead. What is later yet was written by one that is wrong. */
const AHEAD_MS = 3_600_000;

/** What spending decides about room at `now`: that of two windows. */
export const stretchOf = (rate: Rate, now: Date): SpendingStretch => ({
  since: new Date(now.getTime() - 2 * windowOf(rate)),
  until: new Date(now.getTime() + AHEAD_MS),
});

/**
 * When a bucket is full again, milliseconds since 1970; in the past where it is. Each token that is taken moves it by one refill.
 *
 * What was before those two windows is not known: the bucket had at their beginning as little as it can have had, for a CA that let all of this
 * be spent.
 */
export function fullAt(rate: Rate, { spent }: Pick<Spending, 'spent'>, now: Date): number {
  const { capacity, refillMs } = rate;
  const [end, since] = [now.getTime(), stretchOf(rate, now).since.getTime()];
  let [taken, least] = [0, 0];
  for (const { at, count } of spent) {
    taken += count;
    least = Math.max(least, taken - (Math.min(at, end) - since) / refillMs);
  }
  let full = since + windowOf(rate) - Math.min(least, capacity) * refillMs;
  for (const { at, count } of spent) full = Math.max(full, Math.min(at, end)) + count * refillMs;
  return full;
}

/** Beside what is spent. */
export interface RoomOptions {
  readonly now: Date;
  /** What open issuances hold. */
  readonly held: number;
  /** A part of the bucket that is kept for others, from 0 to 1. */
  readonly kept: number;
}

/** From when on a bucket that is full at `full` has a token for one more; `now` or before where it has one. */
export function roomAt(rate: Rate, full: number, { now, held, kept }: RoomOptions): Date {
  const wanted = held + 1 + Math.floor(rate.capacity * kept);
  return new Date(Math.max(full, now.getTime()) + wanted * rate.refillMs - windowOf(rate));
}

/** How many tokens a bucket has that is full at `full`, without those that open issuances hold; 0 at least, and not always whole. */
export function leftAt(rate: Rate, full: number, { now, held }: Omit<RoomOptions, 'kept'>): number {
  const missing = Math.max(0, full - now.getTime()) / rate.refillMs;
  return Math.max(0, rate.capacity - missing - held);
}
