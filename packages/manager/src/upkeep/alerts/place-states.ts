/** Keeps how each place that alerts are sent to has answered this process, so that one that is away is not asked all the time. */

/** How a place has answered. */
export interface PlaceState {
  /** Why it did not take what was sent last; `undefined` where it did, or nothing was sent. */
  readonly error: unknown;
  /** From when on it is tried again. */
  readonly notBefore: Date;
  /** When it took something last; `undefined` where it never did. */
  readonly sentAt: Date | undefined;
}

/** The answers of all places. */
export interface PlaceStates {
  /** What was noted by a clock that was ahead of `now`, and was put back, is forgotten: it would hold alerts up until then. */
  of(name: string, now: Date): PlaceState;
  took(name: string, now: Date): void;
  failed(name: string, error: unknown, now: Date): void;
}

const FIRST_PAUSE_MS = 60_000;
const LONGEST_PAUSE_MS = 900_000;
const NEW = { at: new Date(0), error: undefined, notBefore: new Date(0), sentAt: undefined, failures: 0 };

/** Knows of no answer yet. */
export function createPlaceStates(): PlaceStates {
  const states = new Map<string, PlaceState & { readonly at: Date; readonly failures: number }>();
  function of(name: string, now: Date) {
    const known = states.get(name) ?? NEW;
    return known.at > now ? NEW : known;
  }
  return {
    of,
    took: (name, now) => void states.set(name, { ...NEW, at: now, sentAt: now }),
    failed(name, error, now) {
      const { failures, sentAt } = of(name, now);
      const notBefore = new Date(now.getTime() + Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures));
      states.set(name, { at: now, error, notBefore, sentAt, failures: failures + 1 });
    },
  };
}
