/** Decides whether a CA that is down is asked again for a certificate that cannot wait for the end of the pause. */
import type { Outage } from '@certbus/acme';
import { KEPT_PAUSE_MS, type ManagedCertificate, nextActionAt, pauseLimit } from '@certbus/events';

/** A CA that is down is not asked more often than that for one that is at its emergency floor. */
const SHORTEST_PAUSE_MS = 300_000;

/**
 * Whether a CA is asked for a certificate before the end of its outage's pause. A pause of our own keeps none for more than a twentieth
 * of its lifetime. What the CA asked for is kept up to an hour; beyond that, up to the certificate's emergency floor, as any back-off.
 */
export function cannotWait(
  { current }: Pick<ManagedCertificate, 'current'>,
  { since, until, isAsked }: Pick<Outage, 'since' | 'until' | 'isAsked'>,
  now: Date,
): boolean {
  if (!current) return false;
  const waitedMs = now.getTime() - since.getTime();
  if (!isAsked) return waitedMs >= (Date.parse(current.notAfter) - Date.parse(current.notBefore)) / 20;
  const isLong = until.getTime() - since.getTime() > KEPT_PAUSE_MS;
  // Where there is a second CA, it is asked in the place of this one.
  return isLong && waitedMs >= SHORTEST_PAUSE_MS && pauseLimit(current, { hasFallback: false }) <= now;
}

/**
 * When a manager should next act on a certificate once its CA answers again: the back-off of an outage ends with the outage, but for the
 * CA's own Retry-After. `undefined` as in `nextActionAt`.
 */
export function nextActionAfterOutage(certificate: ManagedCertificate, now: Date): Date | undefined {
  const { failure } = certificate;
  return failure?.retryAt === undefined
    ? nextActionAt(certificate, now)
    : nextActionAt({ ...certificate, failure: { ...failure, notBefore: failure.retryAt } }, now);
}
