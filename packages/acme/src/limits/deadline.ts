/** The deadline of one session with a CA: what stops its requests, and bounds its waits. */
import { AcmeError } from '../errors.ts';

/** What bounds the requests and waits of one session. */
export interface Deadline {
  /** Aborts with the caller's signal, and with `CERTBUS_ACME_DEADLINE` at the deadline. */
  readonly signal: AbortSignal;
  /**
   * Rejects at once with `CERTBUS_ACME_DEADLINE` where the wait would end after the deadline; its `notBefore` is the wait's end.
   * `why` says in the message what is waited for. Default: the CA asks to come back.
   */
  sleep(ms: number, why?: string): Promise<void>;
  /** Throws what `sleep` would reject with at once, without waiting. */
  check(ms: number, why?: string): void;
}

/** How long a session may take, and by which clock. */
export interface DeadlineOptions {
  readonly signal: AbortSignal;
  /** From now on. */
  readonly deadlineMs: number;
  readonly now: () => Date;
  readonly sleep: (ms: number, options: { readonly signal: AbortSignal }) => Promise<void>;
}

const ASKED = 'The CA asks to come back';

/** Starts the deadline of a session with the CA at `directory`. Dispose of it to stop its timer and all that waits on it. */
export function startDeadline(
  directory: string,
  { signal, deadlineMs, now, sleep }: DeadlineOptions,
): Deadline & Disposable {
  const ends = now().getTime() + deadlineMs;
  const missed = `The session with the CA at ${directory} did not end within ${deadlineMs / 1000} s.`;
  const limit = new AbortController();
  const late = new AcmeError('CERTBUS_ACME_DEADLINE', `${missed} Try again later.`);
  const timer = setTimeout(() => limit.abort(late), deadlineMs);
  const either = AbortSignal.any([signal, limit.signal]);

  function check(ms: number, why = ASKED): void {
    const notBefore = new Date(now().getTime() + ms);
    if (notBefore.getTime() <= ends) return;
    throw new AcmeError('CERTBUS_ACME_DEADLINE', `${missed} ${why} at ${notBefore.toISOString()}.`, { notBefore });
  }

  return {
    signal: either,
    check,
    async sleep(ms, why) {
      check(ms, why);
      await sleep(ms, { signal: either });
    },
    [Symbol.dispose]() {
      clearTimeout(timer);
      limit.abort(new DOMException('The session has ended', 'AbortError'));
    },
  };
}
