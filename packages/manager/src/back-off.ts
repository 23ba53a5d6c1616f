import type { IssuedCertificate } from '@certbus/events';

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
const PAUSES_MS = [MINUTE_MS, 10 * MINUTE_MS, 100 * MINUTE_MS];

/**
 * When to try again after a failure: 1, 10, 100 minutes, then daily, as Let's Encrypt asks of integrators; never longer
 * than a twentieth of the certificate's lifetime, and not before the CA's own Retry-After.
 */
export function backOffUntil(
  now: Date,
  {
    attempt,
    current,
    atLeast,
  }: { readonly attempt: number; readonly current: IssuedCertificate | undefined; readonly atLeast: Date | undefined },
): Date {
  const lifetime = current ? Date.parse(current.notAfter) - Date.parse(current.notBefore) : Number.POSITIVE_INFINITY;
  const pause = Math.min(PAUSES_MS[attempt - 1] ?? DAY_MS, lifetime / 20);
  return new Date(Math.max(now.getTime() + pause, atLeast?.getTime() ?? 0));
}
