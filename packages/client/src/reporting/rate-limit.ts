/** Bounds how often something that strangers cause is reported. */

/** Lets some through, and counts the others. */
export interface RateLimit {
  /** How many were left out since the last one that was let through, where this one is let through; `undefined` where it is not. */
  take(): number | undefined;
}

/** Lets `most` through at once, and as many in each `everyMs` from then on. `elapsed`: milliseconds by a clock that never jumps. */
export function createRateLimit({
  most,
  everyMs,
  elapsed,
}: {
  readonly most: number;
  readonly everyMs: number;
  readonly elapsed: () => number;
}): RateLimit {
  let left = most;
  let filledAt = elapsed();
  let leftOut = 0;
  return {
    take() {
      const now = elapsed();
      left = Math.min(most, left + ((now - filledAt) / everyMs) * most);
      filledAt = now;
      if (left < 1) {
        leftOut += 1;
        return undefined;
      }
      left -= 1;
      const before = leftOut;
      leftOut = 0;
      return before;
    },
  };
}
