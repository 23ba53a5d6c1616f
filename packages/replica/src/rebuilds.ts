/** Spaces out the attempts to build a replica again: each reads a whole bus, and what made one fail may last. */

/** When the next attempt is due. */
export interface Rebuilds {
  isDue(): boolean;
  /** Notes that an attempt begins. It counts as failed until it is noted as done. */
  begin(): void;
  done(): void;
  /** How long to wait since the last attempt failed, milliseconds; reported once for each failure, and zero otherwise. */
  takeWaitMs(): number;
}

const HOUR_MS = 3_600_000;

/** Nothing was tried yet. Pauses begin with twice the interval, double, and are an hour at most; a fleet's servers differ by chance. */
export function createRebuilds({
  intervalMs,
  now = () => performance.now(),
  random = Math.random,
}: {
  readonly intervalMs: number;
  readonly now?: () => number;
  /** From 0 to 1. */
  readonly random?: () => number;
}): Rebuilds {
  let attempts = 0;
  let dueAt = 0;
  let isFailed = false;
  return {
    isDue: () => now() >= dueAt,
    begin() {
      attempts += 1;
      dueAt = now() + Math.min(HOUR_MS, intervalMs * 2 ** attempts) * (0.5 + random());
      isFailed = true;
    },
    done() {
      [attempts, dueAt, isFailed] = [0, 0, false];
    },
    takeWaitMs() {
      const wait = isFailed ? Math.max(0, dueAt - now()) : 0;
      isFailed = false;
      return wait;
    },
  };
}
