/** Follows a bus on the thread that writes its replica, and tells the other one what it meets. */
import { type AdvanceListener, advance, createLasting, type Lasting } from '../advance.ts';
import { openPlace } from '../bus-place.ts';
import { damageOf, isDamage } from '../checking/digest.ts';
import type { FollowedReplica } from '../followed.ts';
import type { Answer } from './calls.ts';
import type { FollowCall, Notice } from './messages.ts';
import { toWire } from './wire-errors.ts';

export interface ThreadFollowerOptions {
  /** The replica as it is on this thread. */
  readonly replica: FollowedReplica;
  readonly send: (notice: Notice) => void;
}

export interface ThreadFollower {
  /** Follows until it is stopped, or until an error that only opening the bus again can mend. */
  follow(call: FollowCall): Promise<Answer>;
  /** Ends following, and resolves once it has ended. */
  stop(): Promise<void>;
  /** What was sent last was heard. */
  goOn(): void;
}

/** Makes it; nothing is followed yet. */
export function createThreadFollower({ replica, send }: ThreadFollowerOptions): ThreadFollower {
  // When to look for a restored bus, and to build again, is remembered over failures.
  let lasting: Lasting | undefined;
  let stop = new AbortController();
  let following: Promise<unknown> = Promise.resolve();
  let goOn = () => {};

  /** Sends what the other thread takes its time for: one that is busy is not sent more than it can take. */
  function sendAndWait(notice: Notice): Promise<void> {
    return new Promise((resolve) => {
      goOn = resolve;
      send(notice);
    });
  }

  const listener: AdvanceListener = {
    contact: ({ live }) => send({ notice: 'contact', live }),
    moved: (changes, reached) => sendAndWait({ notice: 'moved', changes, reached }),
    rebuilt: () => sendAndWait({ notice: 'rebuilt' }),
    failed: (error) => send({ notice: 'failed', error: toWire(error) }),
  };

  async function run({ place, intervalMs }: FollowCall): Promise<Answer> {
    const { signal } = stop;
    lasting ??= createLasting({ intervalMs });
    try {
      await advance({ replica, openBus: () => openPlace(place), intervalMs, signal, listener }, lasting);
      return {};
    } catch (error) {
      return { error: toWire(isDamage(error) ? damageOf(error) : error) };
    }
  }

  return {
    follow(call) {
      stop = new AbortController();
      const running = run(call);
      following = running;
      return running;
    },
    async stop() {
      stop.abort();
      await following;
    },
    goOn: () => goOn(),
  };
}
