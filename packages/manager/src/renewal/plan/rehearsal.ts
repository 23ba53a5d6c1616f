/** Rehearses a mass revocation in virtual time: every certificate that is meant is due at once, beside what is due anyway. */

/** What one CA has to do. */
export interface Load {
  /** Certificates that are to be replaced, all due now. */
  readonly replaced: number;
  /** How many are due in each stretch of time without that, the first one what is due already. */
  readonly due: readonly number[];
  readonly stretchMs: number;
  /** The time that an order takes its place for, milliseconds; orders beyond `burst` come one each. */
  readonly perOrderMs: number;
  /** How many go at once. */
  readonly burst: number;
  readonly orderMs: number;
}

/** When a CA has done it, milliseconds from now. */
export interface LoadForecast {
  /** The last replacement is there. */
  readonly replacedAfterMs: number;
  /** Nothing is late any more; `undefined` where that is later than the stretches go. */
  readonly caughtUpAfterMs: number | undefined;
  /** The longest that an ordinary renewal waits. */
  readonly longestDelayMs: number;
}

/**
 * Runs through the stretches. What is due already goes first, for some of it is more urgent; then what is replaced; and what comes due
 * meanwhile waits behind, since its certificates are valid.
 */
export function rehearseLoad({ replaced, due, stretchMs, perOrderMs, burst, orderMs }: Load): LoadForecast {
  const [overdue = 0, ...later] = due;
  const ahead = overdue + replaced;
  const replacedAfterMs = Math.max(0, ahead - burst) * perOrderMs + (ahead > 0 ? orderMs : 0);
  let busyMs = Math.max(0, ahead - burst) * perOrderMs;
  let longestDelayMs = 0;
  let caughtUpAfterMs: number | undefined = busyMs > 0 ? undefined : 0;
  for (const [index, count] of later.entries()) {
    const from = index * stretchMs;
    if (busyMs <= from) {
      caughtUpAfterMs ??= busyMs;
      busyMs = from;
    }
    busyMs += count * perOrderMs;
    if (caughtUpAfterMs === undefined) longestDelayMs = Math.max(longestDelayMs, busyMs - from - stretchMs);
  }
  if (caughtUpAfterMs === undefined && busyMs <= later.length * stretchMs) caughtUpAfterMs = busyMs;
  return { replacedAfterMs, caughtUpAfterMs, longestDelayMs };
}
