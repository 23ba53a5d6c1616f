/** The deadline of one session with a CA: what stops its requests, and bounds its waits. */
import { DeadlineError } from '../errors.ts';

/** What a wait is for, in words for the error of a deadline that it would pass. */
export type WaitReason =
  /** A wait of our own for what the CA has not decided yet, such as `The order … is still "processing"`. */
  | { readonly kind: 'undecided'; readonly what: string }
  /** The CA named the end of the wait (`Retry-After`) for this one resource. */
  | { readonly kind: 'asked' }
  /** A limit of the CA has room at the end of the wait, for every order alike: `The CA's limits (new orders) leave room`. */
  | { readonly kind: 'limit'; readonly what: string };

/** What bounds the requests and waits of one session. */
export interface Deadline {
  /** Aborts with the caller's signal, and with `CERTBUS_ACME_DEADLINE` at the deadline. */
  readonly signal: AbortSignal;
  /**
   * Rejects at once with a `DeadlineError` (`CERTBUS_ACME_DEADLINE`) where the wait would end after the deadline. Its `notBefore` is the
   * wait's end where the CA set that. Default of `reason`: a wait of our own, which says nothing of when the CA can be asked again.
   */
  sleep(ms: number, reason?: WaitReason): Promise<void>;
  /** Throws what `sleep` would reject with at once, without waiting. */
  check(ms: number, reason?: WaitReason): void;
}

/** How long a session may take, and by which clock. */
export interface DeadlineOptions {
  readonly signal: AbortSignal;
  /** From now on. */
  readonly deadlineMs: number;
  readonly now: () => Date;
  readonly sleep: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
}

/** One for all sessions: an error that is made has a stack, and each order makes several sessions. */
const ENDED = new DOMException('The session has ended', 'AbortError');

/** Starts the deadline of a session with the CA at `directory`. Dispose of it to stop its timer and all that waits on it. */
export function startDeadline(
  directory: string,
  { signal, deadlineMs, now, sleep }: DeadlineOptions,
): Deadline & Disposable {
  const ends = now().getTime() + deadlineMs;
  const missed = `The session with the CA at ${directory} did not end within ${deadlineMs / 1000} s.`;
  const limit = new AbortController();
  const late = () => new DeadlineError(`${missed} Try again later.`);
  const timer = setTimeout(() => limit.abort(late()), deadlineMs);
  const either = AbortSignal.any([signal, limit.signal]);

  function check(ms: number, reason?: WaitReason): void {
    const end = new Date(now().getTime() + ms);
    if (end.getTime() <= ends) return;
    if (!reason) throw late();
    if (reason.kind === 'undecided') throw new DeadlineError(`${missed} ${reason.what}. Try again later.`);
    const why = reason.kind === 'limit' ? reason.what : 'The CA asks to come back';
    const message = `${missed} ${why} at ${end.toISOString()}.`;
    throw new DeadlineError(message, { notBefore: end, isLimit: reason.kind === 'limit' });
  }

  return {
    signal: either,
    check,
    async sleep(ms, reason) {
      check(ms, reason);
      await sleep(ms, { signal: either });
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      limit.abort(ENDED);
    },
  };
}
