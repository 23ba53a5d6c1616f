/** Waits that several share. */
import { orAbort } from '../../dns/turns.ts';

/** Waits, unless the signal ends it; then rejects with its reason. */
export type Sleep = (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;

/** Those who wait for one piece of work, which ends when the last of them has left. */
export interface Crowd extends Disposable {
  /** Aborts once every member's signal has. */
  readonly signal: AbortSignal;
  join(signal: AbortSignal): void;
}

/** Creates a crowd without members. Disposing releases all signals. */
export function createCrowd(members: Iterable<AbortSignal> = []): Crowd {
  const controller = new AbortController();
  const left = new Map<AbortSignal, () => void>();
  const crowd: Crowd = {
    signal: controller.signal,
    join(signal) {
      if (left.has(signal)) return;
      const leave = () => {
        left.delete(signal);
        if (left.size === 0) controller.abort(signal.reason);
      };
      left.set(signal, leave);
      if (signal.aborted) leave();
      else signal.addEventListener('abort', leave, { once: true });
    },
    [Symbol.dispose]() {
      for (const [signal, leave] of left) signal.removeEventListener('abort', leave);
      left.clear();
    },
  };
  // Those who have left already must not end it for the others.
  const all = [...members];
  for (const signal of all.toSorted((one, other) => Number(one.aborted) - Number(other.aborted))) crowd.join(signal);
  return crowd;
}

/** Work that several wait for at once, and that is done once for all of them. */
export interface SharedWork<T> {
  /** Waits for the work under way, or begins it. Rejects with the signal's reason; the work goes on for the others. */
  join(signal: AbortSignal): Promise<T>;
  /** Whether anybody waits. */
  isRunning(): boolean;
}

/** Shares work: who asks while it is under way gets that outcome, who asks later has it done again. */
export function shareWork<T>(work: (signal: AbortSignal) => Promise<T>): SharedWork<T> {
  let running: { readonly crowd: Crowd; readonly outcome: Promise<T> } | undefined;

  function begin(signal: AbortSignal) {
    const crowd = createCrowd([signal]);
    const outcome = work(crowd.signal).finally(() => {
      crowd[Symbol.dispose]();
      if (running?.crowd === crowd) running = undefined;
    });
    outcome.catch(() => {});
    running = { crowd, outcome };
    return running;
  }

  return {
    isRunning: () => running !== undefined && !running.crowd.signal.aborted,
    async join(signal) {
      signal.throwIfAborted();
      const live = running && !running.crowd.signal.aborted ? running : begin(signal);
      live.crowd.join(signal);
      return orAbort(live.outcome, signal);
    },
  };
}

/** Lets few through at a time. */
export interface Turnstile {
  /** Runs when it is its turn. Rejects with the signal's reason while it waits. */
  pass<T>(run: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

/** Creates a turnstile; turns are in order of asking. */
export function createTurnstile(atOnce: number): Turnstile {
  let inside = 0;
  const outside: (() => void)[] = [];

  async function turn(signal: AbortSignal): Promise<void> {
    if (inside < atOnce) {
      inside += 1;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    outside.push(resolve);
    try {
      await orAbort(promise, signal);
    } catch (error) {
      const at = outside.indexOf(resolve);
      // It may have been let in at the moment when it gave up.
      if (at >= 0) outside.splice(at, 1);
      else leave();
      throw error;
    }
  }

  function leave(): void {
    const next = outside.shift();
    if (next) next();
    else inside -= 1;
  }

  return {
    async pass(run, signal) {
      signal.throwIfAborted();
      await turn(signal);
      try {
        return await run();
      } finally {
        leave();
      }
    },
  };
}
