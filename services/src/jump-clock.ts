/** A clock for tests whose programs wait: no wait takes real time. */
import { requestsOfThisProcess } from './requests-in-hand.ts';

/** A clock that stands still until somebody sleeps. */
export interface JumpClock {
  now(): Date;
  /** Rejects with the signal's reason. */
  sleep(ms: number, options: { readonly signal: AbortSignal }): Promise<void>;
}

/** Real time between two jumps, for what was woken to go as far as it can. A turn in which a request begins or waits is followed by another. */
const TURN_MS = 5;
/** Who never answers is not waited for without end: what was asked gives up by a sleep of its own. */
const MOST_TURNS = 400;

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

  function awaitTurn(turnsLeft = MOST_TURNS): void {
    if (sleepers.size === 0) {
      clearTimeout(turn);
      turn = undefined;
    }
    if (sleepers.size === 0 || turn) return;
    const { begun } = requestsOfThisProcess();
    turn = setTimeout(() => {
      const after = requestsOfThisProcess();
      if (turnsLeft === 0 || (after.begun === begun && !after.areWaiting)) return jump();
      turn = undefined;
      awaitTurn(turnsLeft - 1);
    }, TURN_MS);
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
