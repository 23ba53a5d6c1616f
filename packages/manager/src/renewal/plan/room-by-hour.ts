/** Puts renewals into the hours in which they go, where fewer go than come due. */
import { HOUR_MS } from './hours.ts';

/** How fast renewals go. */
export interface Throughput {
  /** The time that an order takes its place for, milliseconds. */
  readonly perOrderMs: number;
  /** How many go at once now, and how many at most where nothing went for long. */
  readonly burst: number;
  readonly capacity: number;
}

/** When renewals go that come due by the hour. */
export interface RenewalsByHour {
  readonly byHour: readonly number[];
  /** How many come due within these hours, and go after them. */
  readonly leftOver: number;
  /** The longest that one waits. */
  readonly longestDelayMs: number;
}

/** Lets go in each hour what is due and has room, the oldest first. */
export function renewByHour(due: readonly number[], { perOrderMs, burst, capacity }: Throughput): RenewalsByHour {
  let [room, waiting, longest] = [burst, 0, 0];
  const byHour = due.map((count) => {
    waiting += count;
    room += HOUR_MS / perOrderMs;
    const here = Math.min(waiting, Math.floor(room));
    waiting -= here;
    longest = Math.max(longest, waiting);
    room = Math.min(capacity, room - here);
    return here;
  });
  return { byHour, leftOver: waiting, longestDelayMs: longest * perOrderMs };
}
