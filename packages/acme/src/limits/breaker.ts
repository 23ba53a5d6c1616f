/** The circuit breaker of a CA: stops asking while the CA is down, and looks now and then whether it is back. */
import { AcmeError } from '../errors.ts';

/** `closed`: requests pass. `open`: none does. `half-open`: one may, to see whether the CA is back. */
export type BreakerState = 'closed' | 'open' | 'half-open';

/** How one request ended: `failed` blames the CA as a whole; `unknown` says nothing about it, such as an abort. */
export type Outcome = 'answered' | 'failed' | 'unknown';

/** Permission to make one request; report how it ended: with the CA's own Retry-After, and the error that says why it failed. */
export interface Admission {
  end(outcome: Outcome, retryAt?: Date, cause?: unknown): void;
}

/** Why, since when and until when a CA is not asked. */
export interface Outage {
  /** When it stopped answering. */
  readonly began: Date;
  /** When it was last found down. */
  readonly since: Date;
  readonly until: Date;
  /** Whether the CA itself asked to be left alone until then. */
  readonly isAsked: boolean;
  /** What a request rejects with, `CERTBUS_ACME_BREAKER_OPEN`; its `cause` is what was heard of the CA last. */
  readonly error: AcmeError;
}

/** Stops asking a CA that is down, so that an outage costs no retries of single certificates. */
export interface Breaker {
  state(): BreakerState;
  /** With `open`: when it will be tried again. */
  openUntil(): Date | undefined;
  /** Why no request would be admitted now; `undefined` where one would be. */
  outage(): Outage | undefined;
  /** Ends the pause: one request may look whether the CA is back. */
  lookAgain(): void;
  /** Throws `CERTBUS_ACME_BREAKER_OPEN` with `notBefore` where no request may be made. `isVital`: its failure alone opens the breaker. */
  admit(options?: { readonly isVital?: boolean }): Admission;
}

/** When a breaker opens, and for how long. */
export interface BreakerOptions {
  /** Failures in a row, of any requests but the directory's. Default 5. */
  readonly failures?: number;
  /** Pause after the first; each further one is twice as long. Default 30,000. */
  readonly firstPauseMs?: number;
  /** Default 900,000. */
  readonly longestPauseMs?: number;
  /** A number from 0 to 1, for the jitter of a tenth. Default `Math.random`. */
  readonly random?: () => number;
}

const PROBE_MS = 5000;
/** A CA may ask for more patience than we would have, up to this. */
const LONGEST_ASKED_MS = 86_400_000;

/** Creates a closed breaker for a CA. */
export function createBreaker(
  directory: string,
  now: () => Date,
  { failures = 5, firstPauseMs = 30_000, longestPauseMs = 900_000, random = Math.random }: BreakerOptions = {},
): Breaker {
  let failed = 0;
  let openings = 0;
  let until: number | undefined;
  let openedAt = 0;
  let beganAt = 0;
  let isAsked = false;
  let cause: unknown;
  let isProbing = false;

  function state(): BreakerState {
    if (until === undefined) return 'closed';
    const at = now().getTime();
    // Where the clock was put back, the pause might be far longer than was meant: one request shows.
    return at >= openedAt && at < until ? 'open' : 'half-open';
  }

  function open(retryAt: Date | undefined, heard: unknown): void {
    const at = now().getTime();
    if (until === undefined) beganAt = at;
    cause = heard;
    const own = Math.min(firstPauseMs * 2 ** Math.min(openings, 20), longestPauseMs) * (0.9 + random() * 0.2);
    const asked = Math.min((retryAt?.getTime() ?? at) - at, LONGEST_ASKED_MS);
    isAsked = asked > own;
    until = at + Math.max(own, asked);
    openedAt = at;
    openings += 1;
  }

  function outage(): Outage | undefined {
    const current = state();
    if (current === 'closed' || (current === 'half-open' && !isProbing)) return undefined;
    const at = new Date(isProbing ? now().getTime() + PROBE_MS : (until ?? 0));
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    const message = `The CA at ${directory} is down${why}, so it is not asked before ${at.toISOString()}.`;
    const error = new AcmeError('CERTBUS_ACME_BREAKER_OPEN', message, { notBefore: at, cause });
    return { began: new Date(beganAt), since: new Date(openedAt), until: at, isAsked, error };
  }

  return {
    state,
    openUntil: () => (state() === 'open' && until !== undefined ? new Date(until) : undefined),
    outage,
    lookAgain() {
      if (until !== undefined) until = Math.min(until, now().getTime());
    },
    admit({ isVital = false } = {}) {
      const down = outage();
      if (down) throw down.error;
      const isProbe = state() === 'half-open';
      if (isProbe) isProbing = true;
      let isOver = false;
      return {
        end(outcome, retryAt, heard) {
          if (isOver) return;
          isOver = true;
          if (isProbe) isProbing = false;
          if (outcome === 'answered') {
            // An answer to what was asked before it opened is old news.
            if (isProbe || state() === 'closed') [failed, openings, until] = [0, 0, undefined];
          } else if (outcome === 'failed') {
            failed += 1;
            if (isProbe || (state() === 'closed' && (isVital || failed >= failures))) open(retryAt, heard);
          }
        },
      };
    },
  };
}
