/** Says when a limit of a CA leaves room, from what was spent of it: a token bucket, as Boulder counts. */
import type { Rate } from '@certbus/acme';
import type { SpendingStretch } from '@certbus/replica';
import type { Spending } from '../state/spending.ts';

/** Of a limit that renewals share, new names leave so much: renewals cannot wait, and new names can. */
export const KEPT_FOR_RENEWALS = 0.5;

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

/**
 * From when on spending decides about room at `now`: two windows. Milliseconds since 1970, with fractions: rounded, room would come a millisecond
 * later than it was named.
 */
const decidesSince = (rate: Rate, now: Date): number => now.getTime() - 2 * windowOf(rate);

/** What spending decides about room at `now`. */
export const stretchOf = (rate: Rate, now: Date): SpendingStretch => ({
  since: new Date(decidesSince(rate, now)),
  until: new Date(now.getTime() + AHEAD_MS),
});

/** Which part of a window an order for new names takes at the most, from its claim to its certificate: renewals can take what was left meanwhile. */
const NEAR = 7;

/** Counts what renewals spent near an instant; asked in order of time. */
function createRenewedNear(spent: Spending['spent'], nearMs: number): (at: number) => number {
  let [from, to, renewed] = [0, 0, 0];
  const renewedAt = (index: number) => (spent[index]?.isNew ? 0 : (spent[index]?.count ?? 0));
  return (at) => {
    for (; to < spent.length && (spent[to]?.at ?? 0) < at + nearMs; to += 1) renewed += renewedAt(to);
    for (; from < to && (spent[from]?.at ?? 0) <= at - nearMs; from += 1) renewed -= renewedAt(from);
    return renewed;
  };
}

/**
 * When a bucket is full again, milliseconds since 1970; in the past where it is. Each token that is taken moves it by one refill.
 *
 * What was before those two windows is not known: the bucket had at their beginning as little as it can have had, for a CA that let all of this
 * be spent, and for managers whose new names left to renewals what is kept for them.
 */
export function fullAt(rate: Rate, { spent }: Pick<Spending, 'spent'>, now: Date): number {
  const { capacity, refillMs } = rate;
  const [end, since] = [now.getTime(), decidesSince(rate, now)];
  const kept = Math.floor(capacity * KEPT_FOR_RENEWALS);
  const renewedNear = createRenewedNear(spent, windowOf(rate) / NEAR);
  let [taken, least] = [0, 0];
  for (const { at, count, isNew } of spent) {
    taken += count;
    const leaves = isNew && at > since + windowOf(rate) / NEAR ? Math.max(0, kept - renewedNear(at)) : 0;
    least = Math.max(least, taken + leaves - (Math.min(at, end) - since) / refillMs);
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
