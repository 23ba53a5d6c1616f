/** Decides when a failed issuance is tried again. */
import type { Failure, FailureClass, IssuedCertificate } from '@certbus/events';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PAUSES_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS];
const SHARED_PAUSE_MS = 10 * MINUTE_MS;

/** Classes of failures of a CA or an account as a whole, which are not the fault of one certificate. */
const SHARED: ReadonlySet<FailureClass> = new Set(['authority', 'account', 'rate-limited']);
/** Classes of failures that last until a person acts. */
const LASTING: ReadonlySet<FailureClass> = new Set(['operator-action', 'permanent-request', 'permanent-name']);

/** Whether a failure of this class hits every certificate of the CA's account alike. */
export const isShared = (failureClass: FailureClass): boolean => SHARED.has(failureClass);

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
}

/**
 * When to try again after a failure: 1, 10, 100 minutes, then daily, as Let's Encrypt asks of integrators; at once daily where only
 * a person can help. Never longer than a twentieth of the certificate's lifetime, unless the CA waits for an operator's action, and
 * not before the CA's own Retry-After.
 */
export function backOffUntil(now: Date, { attempt, class: failureClass, current, atLeast }: FailedAttempt): Date {
  const lifetime = current ? Date.parse(current.notAfter) - Date.parse(current.notBefore) : Number.POSITIVE_INFINITY;
  const longest = failureClass === 'operator-action' ? DAY_MS : lifetime / 20;
  const pause = Math.min(pauseFor(attempt, failureClass), longest);
  return new Date(Math.max(now.getTime() + pause, atLeast?.getTime() ?? 0));
}
