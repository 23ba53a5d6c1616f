/** A clock for tests whose programs wait: no wait takes real time. */

/** A clock that stands still until somebody sleeps. */
export interface JumpClock {
  now(): Date;
  /** Rejects with the signal's reason. */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Real time between two jumps, for what was woken to go as far as it can, requests on loopback included. */
const TURN_MS = 5;

interface Sleeper {
  readonly endsMs: number;
  wake(): void;
}

/** Starts a clock at this instant. While somebody sleeps it jumps, turn by turn, to the end of the sleep that ends first. */
export function startJumpClock(): JumpClock {
  let nowMs = Date.now();
  const sleepers = new Set<Sleeper>();
  let turn: NodeJS.Timeout | undefined;

  function jump(): void {
    nowMs = Math.max(nowMs, Math.min(...[...sleepers].map(({ endsMs }) => endsMs)));
    for (const sleeper of sleepers) {
      if (sleeper.endsMs > nowMs) continue;
      sleepers.delete(sleeper);
      sleeper.wake();
    }
    turn = undefined;
    awaitTurn();
  }

  function awaitTurn(): void {
    if (sleepers.size > 0) turn ??= setTimeout(jump, TURN_MS);
    else if (turn) {
      clearTimeout(turn);
      turn = undefined;
    }
  }

  return {
    now: () => new Date(nowMs),
    sleep(ms, { signal }) {
      signal.throwIfAborted();
      return new Promise((resolve, reject) => {
        const abort = () => {
          sleepers.delete(sleeper);
          awaitTurn();
          reject(signal.reason);
        };
        const sleeper: Sleeper = {
          endsMs: nowMs + Math.max(0, ms),
          wake() {
            signal.removeEventListener('abort', abort);
            resolve();
          },
        };
        signal.addEventListener('abort', abort, { once: true });
        sleepers.add(sleeper);
        awaitTurn();
      });
    },
  };
}
