/** Waiting for a CA: how long until it is asked again. */
import type { Engine, Session } from '../wire/engine.ts';

/** What a CA is waited for: its verdict on a challenge, or the certificate after finalization. */
export type Awaited = 'validation' | 'issuance';

const UNKNOWN_MS = 50;
const SHORTEST_MS = 10;
const LONGEST_MS = 5000;
/** How long a CA may take before those who watch are told. */
const SLOW_MS = 5000;

/** How long each CA took lately, by what it did, for as long as its engine is in use. */
const learned = new WeakMap<Engine, Map<Awaited, number>>();

/** What bounds a wait, and what it is for. */
export interface PauseOptions {
  /** What is not decided yet, as a sentence without its full stop, for the error of a deadline that the wait would pass. */
  readonly what: string;
  /** Where our own time ends at the latest. Default: it is not cut off. */
  readonly until?: Date | undefined;
}

/** Takes what a CA has not decided yet, as a sentence without its full stop. */
export type OnSlow = (what: string, awaited: Awaited) => void;

/** Waits between looks at something that the CA is busy with. */
export interface Waiting {
  /** Waits before the next look: our own time, or the CA's `Retry-After` where that is longer. The session's deadline bounds both. */
  pause(retryAfter: Date | undefined, options: PauseOptions): Promise<void>;
  /** Reports that the last look was the right one. */
  done(): void;
}

/**
 * Starts to wait. The first look comes when this CA was ready lately (50 ms where nothing is known yet), so that one look does for
 * most orders and a quick CA is not kept waiting; a later one after a quarter of that, doubling to 5 s. All have a jitter of a tenth.
 * `onSlow` is called once, with what is not decided, where the CA takes longer than five seconds.
 */
export function startWaiting(engine: Engine, session: Session, awaited: Awaited, onSlow: OnSlow = () => {}): Waiting {
  const paces = learned.get(engine) ?? new Map<Awaited, number>();
  learned.set(engine, paces);
  const first = paces.get(awaited) ?? UNKNOWN_MS;
  const began = engine.now().getTime();
  let looks = 0;
  let isSlow = false;

  function ownMs(until: Date | undefined): number {
    const wait = looks === 0 ? first : Math.max(first / 4, Math.min(first, UNKNOWN_MS)) * 2 ** (looks - 1);
    const own = Math.min(wait, LONGEST_MS) * (0.9 + engine.random() * 0.2);
    const left = until ? until.getTime() - engine.now().getTime() : own;
    return left > 0 ? Math.min(own, left) : own;
  }

  return {
    async pause(retryAfter, { what, until }) {
      const asked = retryAfter ? retryAfter.getTime() - engine.now().getTime() : 0;
      const own = ownMs(until);
      if (!isSlow && engine.now().getTime() - began + Math.max(asked, own) >= SLOW_MS) {
        isSlow = true;
        onSlow(what, awaited);
      }
      await (asked > own ? session.sleep(asked, { kind: 'asked' }) : session.sleep(own, { kind: 'undecided', what }));
      looks += 1;
    },
    done() {
      if (looks === 0) return;
      const now = paces.get(awaited) ?? UNKNOWN_MS;
      const took = engine.now().getTime() - began;
      // A first look that is right may have come too late, which only trying earlier shows. One hiccup of the CA hits many orders at
      // once, and must not count once for each.
      const next = looks === 1 ? now * 0.97 : Math.max(now, Math.min((first + took) / 2, first * 2));
      paces.set(awaited, Math.min(Math.max(next, SHORTEST_MS), LONGEST_MS));
    },
  };
}
