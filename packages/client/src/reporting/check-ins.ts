/** Calls a URL of a dead man's switch while a load balancer is in order. */
import { ClientError } from '../errors.ts';
import type { Health } from '../health.ts';
import { MAX_TIMER_MS } from '../serving/times.ts';

/** Where to check in, and how often. */
export interface CheckIn {
  /** An `http:` or `https:` URL, fetched with GET. No redirect is followed. Its path is as good as a secret, and is shown nowhere. */
  readonly url: string;
  /** Time between two calls, milliseconds, more than 0 and less than 2^31; default 300,000. */
  readonly everyMs?: number;
  /** Whether everything else that the call vouches for is in order, asked before each; default: it is. It is not waited for: all but `true` says that it is not. */
  readonly isInOrder?: () => boolean;
}

const EVERY_MS = 300_000;

function isCallable(url: string): boolean {
  if (!URL.canParse(url)) return false;
  const { protocol, username, password } = new URL(url);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

/** The option as given, with its default. Throws a `TypeError`, without the URL, for what cannot be called. */
export function checkInOf(given: string | CheckIn): Required<CheckIn> {
  const { url, everyMs = EVERY_MS, isInOrder = () => true } = typeof given === 'string' ? { url: given } : given;
  if (!isCallable(url))
    throw new TypeError('The option "checkIn" is not an http or https URL without a user name and a password.');
  if (!(everyMs > 0 && everyMs <= MAX_TIMER_MS)) throw new TypeError(`"checkIn.everyMs" is out of range: ${everyMs}.`);
  return { url, everyMs, isInOrder };
}

/** Whether a server is in order: it is ready, follows the bus, and nothing has ended. */
const isServerInOrder = ({ ready, live, trouble, certificates }: Health): boolean =>
  ready && live && trouble === undefined && certificates.expired === 0;

/** Check-ins that are going on. */
export interface CheckIns {
  /** Checks in where one is due, the server is in order and no other call is under way: to be called often. Never rejects. */
  attempt(): Promise<void>;
}

const whyOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause));

/** Makes them. The first is due at once. A call that fails, or cannot be decided on, is an alarm, once until one succeeds. */
export function createCheckIns({
  url,
  everyMs,
  isInOrder,
  health,
  send,
  raise,
  elapsed,
}: Required<CheckIn> & {
  readonly health: () => Health;
  readonly send: (url: string) => Promise<void>;
  readonly raise: (error: ClientError) => void;
  /** Milliseconds by a clock that never jumps. */
  readonly elapsed: () => number;
}): CheckIns {
  let isUnderWay = false;
  let hasFailed = false;
  let dueAt = 0;

  function fail(what: string, cause: unknown): void {
    if (!hasFailed) raise(new ClientError('CERTBUS_CLIENT_CHECK_IN_FAILED', what, { cause }));
    hasFailed = true;
  }
  /** Whether the rest is in order as well. The function is the program's own: it may throw, or be asynchronous by mistake. */
  function isRestInOrder(): boolean {
    try {
      const answer: unknown = isInOrder();
      if (typeof answer === 'boolean') return answer;
      // A promise that rejects would end the process.
      Promise.resolve(answer).catch(() => {});
      throw new TypeError('it returned neither true nor false, and a promise is not waited for');
    } catch (cause) {
      fail(`This server does not check in, because "checkIn.isInOrder" failed: ${whyOf(cause)}.`, cause);
      return false;
    }
  }

  return {
    async attempt() {
      if (isUnderWay || elapsed() < dueAt || !isServerInOrder(health()) || !isRestInOrder()) return;
      isUnderWay = true;
      dueAt = elapsed() + everyMs;
      try {
        await send(url);
        hasFailed = false;
      } catch (cause) {
        fail(`This server is in order, but ${whyOf(cause)}.`, cause);
      } finally {
        isUnderWay = false;
      }
    },
  };
}
