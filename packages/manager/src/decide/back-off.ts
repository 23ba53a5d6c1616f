/** Decides when a failed issuance is tried again. */
import {
  type Failure,
  type FailureClass,
  type IssuedCertificate,
  KEPT_PAUSE_MS,
  pauseLimit,
  shortestPauseMs,
} from '@certbus/events';
import { lifetimeMs } from './lifetime.ts';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PAUSES_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS];
const SHORTEST_PAUSE_MS = 5 * MINUTE_MS;
const SHARED_PAUSE_MS = 10 * MINUTE_MS;

/** Classes of failures of a CA or an account as a whole, which are not the fault of one certificate. */
const SHARED: ReadonlySet<FailureClass> = new Set(['authority', 'account', 'rate-limited']);
/** Classes of failures that last until a person acts. */
const LASTING: ReadonlySet<FailureClass> = new Set(['operator-action', 'permanent-request', 'permanent-name']);

/** Whether a failure of this class hits every certificate of the CA's account alike. */
export const isShared = (failureClass: FailureClass): boolean => SHARED.has(failureClass);

/** How long the last pause was, where it was for a limit of the CA, milliseconds; 0 for any other. */
export const limitPauseOf = (last: Pick<Failure, 'class' | 'failedAt' | 'notBefore'> | undefined): number =>
  last?.class === 'rate-limited' ? Date.parse(last.notBefore) - Date.parse(last.failedAt) : 0;

/** Whether failures of this class last until a person acts. */
export const isLasting = (failureClass: FailureClass): boolean => LASTING.has(failureClass);

/** Number of an attempt that failed. The next attempt after a failure that was no fault of the certificate has the same number. */
export function attemptAfter(last: Pick<Failure, 'class' | 'attempt'> | undefined): number {
  if (!last) return 1;
  return isShared(last.class) ? last.attempt : last.attempt + 1;
}

function pauseFor(attempt: number, failureClass: FailureClass): number {
  if (isShared(failureClass)) return SHARED_PAUSE_MS;
  if (LASTING.has(failureClass)) return DAY_MS;
  return PAUSES_MS[attempt - 1] ?? DAY_MS;
}

/** What a pause depends on. */
export interface FailedAttempt {
  readonly attempt: number;
  readonly class: FailureClass;
  readonly current: IssuedCertificate | undefined;
  /** The CA's own Retry-After. */
  readonly atLeast: Date | undefined;
  /** See {@link limitPauseOf}. Default 0. */
  readonly lastLimitMs?: number;
  /** Whether a second CA can be asked. */
  readonly hasFallback: boolean;
}

/**
 * A limit that the CA gives no end of can be one of weeks: each pause is twice as long as the one before, a day at most. Not where there is no time
 * left to wait.
 */
function limitedPauseMs({ class: failureClass, atLeast, lastLimitMs = 0, current }: FailedAttempt, now: Date): number {
  if (failureClass !== 'rate-limited' || atLeast) return 0;
  if (current && pauseLimit(current, { hasFallback: false }) <= now) return 0;
  return Math.min(2 * lastLimitMs, DAY_MS);
}

function usualPauseMs(failed: FailedAttempt, now: Date): number {
  const { attempt, class: failureClass, current } = failed;
  const longest = failureClass === 'operator-action' ? DAY_MS : lifetimeMs(current) / 20;
  return Math.min(Math.max(pauseFor(attempt, failureClass), limitedPauseMs(failed, now)), longest);
}

/** The end of a pause that would pass `limit`: there the CA is tried once, then after the shorter of its Retry-After and the back-off. */
function limited(
  now: Date,
  limit: Date,
  current: IssuedCertificate,
  { pauseMs, askedMs }: Record<'pauseMs' | 'askedMs', number>,
): number {
  const shortest = shortestPauseMs(current, now);
  const at = now.getTime();
  const asked = askedMs > 0 ? askedMs : pauseMs;
  const isBefore = at < limit.getTime();
  const end = isBefore
    ? Math.max(limit.getTime(), at + SHORTEST_PAUSE_MS)
    : at + Math.max(Math.min(asked, pauseMs), shortest);
  return askedMs <= KEPT_PAUSE_MS ? Math.max(end, at + askedMs) : end;
}

/**
 * When to try again after a failure: 1, 10, 100 minutes, then daily, as Let's Encrypt asks of integrators; at once daily where only
 * a person can help; 10 minutes where the CA or the account fails as a whole, growing where a limit gives no end. Never longer than a twentieth of the certificate's lifetime, unless the CA waits for an operator's action, and
 * not before the CA's own Retry-After. Except for an operator's action and a Retry-After of up to an hour, no pause goes beyond the
 * emergency floor, or, with a second CA, beyond the urgent point: there it is tried once, then after the CA's Retry-After or the
 * back-off, whichever is shorter, but not within 5 minutes nor more often than once per twentieth of the lifetime that is left.
 */
export function backOffUntil(now: Date, failed: FailedAttempt): Date {
  const { class: failureClass, current, atLeast, hasFallback } = failed;
  const pauseMs = usualPauseMs(failed, now);
  const askedMs = (atLeast?.getTime() ?? 0) - now.getTime();
  const usual = now.getTime() + Math.max(pauseMs, askedMs);
  if (!current || failureClass === 'operator-action') return new Date(usual);
  const limit = pauseLimit(current, { hasFallback });
  return new Date(usual <= limit.getTime() ? usual : limited(now, limit, current, { pauseMs, askedMs }));
}
