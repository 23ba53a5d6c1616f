/** Reads lengths of time as people write them in the configuration. */

const UNIT_MS: Readonly<Record<string, number>> = { m: 60_000, h: 3_600_000, d: 86_400_000 };
const LONGEST_MS = 7 * 86_400_000;

/** A number with `m`, `h` or `d`, such as `3h`, as milliseconds; 0 for any other text. */
export function durationMs(text: string): number {
  const [, count = '', unit = ''] = /^(\d{1,6})([mhd])$/.exec(text) ?? [];
  return Number(count) * (UNIT_MS[unit] ?? 0);
}

/** Whether a text is a length of time that the configuration can have: a minute at least, seven days at most. */
export const isDuration = (text: string): boolean => durationMs(text) > 0 && durationMs(text) <= LONGEST_MS;
