/** Waits for the next instant at which anything is due, which can come nearer meanwhile. */

/** Looked at the clock again so often, milliseconds: it can be set, and a machine can sleep. */
const LOOK_AGAIN_MS = 60_000;
/** A clock that goes back by less is only corrected, milliseconds. */
const CORRECTED_MS = 1_000;

/** One instant, and one who waits for it. */
export interface Alarm {
  /** Waits for this instant at the latest. */
  set(at: Date): void;
  /**
   * Resolves at the earliest instant that was set, or where the clock was put back, by which all of them were reckoned; and forgets them. Rejects with
   * the signal's reason.
   */
  reached(signal: AbortSignal): Promise<void>;
}

/** Makes an alarm that nothing is set for. */
export function createAlarm(now: () => Date): Alarm {
  let at = Number.POSITIVE_INFINITY;
  let look = () => {};
  return {
    set(instant) {
      at = Math.min(at, instant.getTime());
      // Also where it was nearer already: the clock may have passed that since it was looked at.
      look();
    },
    async reached(signal) {
      for (let last = Number.NEGATIVE_INFINITY; ; ) {
        signal.throwIfAborted();
        const looked = now().getTime();
        const leftMs = at - looked;
        if (leftMs <= 0 || looked < last - CORRECTED_MS) break;
        last = looked;
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, Math.min(leftMs, LOOK_AGAIN_MS));
          look = () => {
            clearTimeout(timer);
            signal.removeEventListener('abort', look);
            resolve();
          };
          signal.addEventListener('abort', look, { once: true });
        });
        signal.removeEventListener('abort', look);
      }
      at = Number.POSITIVE_INFINITY;
    },
  };
}
