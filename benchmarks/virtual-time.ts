interface Timer {
  readonly at: number;
  readonly run: () => void;
}

/** The time of a program that is not waited for: its timers run one after the other, as fast as they can. */
export interface VirtualTime {
  /** Milliseconds since it began. */
  now(): number;
  /** Runs every timer up to then, and what follows from each before the next. */
  advanceTo(ms: number): Promise<void>;
  /** Puts the real clock and timers back. */
  restore(): void;
}

/** Takes the place of `setTimeout`, `clearTimeout` and `performance.now` of this process. */
export function useVirtualTime(): VirtualTime {
  const real = { setTimeout, clearTimeout, setImmediate, now: performance.now.bind(performance) };
  const timers = new Map<number, Timer>();
  let now = 0;
  let ids = 0;
  globalThis.setTimeout = ((run: () => void, ms = 0) => {
    ids += 1;
    timers.set(ids, { at: now + ms, run });
    return ids;
  }) as unknown as typeof setTimeout;
  globalThis.clearTimeout = ((id: number) => timers.delete(id)) as unknown as typeof clearTimeout;
  performance.now = () => now;
  const settle = () => new Promise<void>((resolve) => real.setImmediate(resolve));

  function takeNext(end: number): Timer | undefined {
    let first: [number, Timer] | undefined;
    for (const entry of timers) if (entry[1].at <= end && (!first || entry[1].at < first[1].at)) first = entry;
    if (first) timers.delete(first[0]);
    return first?.[1];
  }

  return {
    now: () => now,
    async advanceTo(end) {
      await settle();
      for (let timer = takeNext(end); timer; timer = takeNext(end)) {
        now = Math.max(now, timer.at);
        timer.run();
        await settle();
      }
      now = end;
    },
    restore() {
      globalThis.setTimeout = real.setTimeout;
      globalThis.clearTimeout = real.clearTimeout;
      performance.now = real.now;
    },
  };
}
