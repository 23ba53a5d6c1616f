/** Times that options give. */

/** Longest time of a timer, which fires at once for a longer one. */
export const MAX_TIMER_MS: number = 2 ** 31 - 1;

/** Throws a `TypeError` where an option is not a time. `Infinity` is one. */
export function checkTimes(options: { readonly intervalMs?: number; readonly startTimeoutMs?: number }): void {
  for (const name of ['intervalMs', 'startTimeoutMs'] as const) {
    const { [name]: ms = 0 } = options;
    if (!(ms >= 0)) throw new TypeError(`The option "${name}" is not a number of milliseconds: ${ms}.`);
  }
}
