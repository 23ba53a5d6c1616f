/** Counts renewals by the hour from now on. */
import type { DutyCount } from '@certbus/replica';

export const HOUR_MS = 3_600_000;

/** Renewals by the hour from now on, the first with all that is due before; what comes after so many hours is left out. */
export function byHour(counts: readonly DutyCount[], now: Date, length: number): number[] {
  const sums = Array.from({ length }, () => 0);
  const first = Math.floor(now.getTime() / HOUR_MS);
  for (const { hour, certificates } of counts) {
    const index = hour === undefined ? length : Math.max(0, hour.getTime() / HOUR_MS - first);
    if (index < length) sums[index] = (sums[index] ?? 0) + certificates;
  }
  return sums;
}
