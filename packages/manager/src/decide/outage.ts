/** Decides how long a certificate waits for a CA that is down, or that is not done with its order. */
import type { Outage } from '@certbus/acme';
import {
  type Issuance,
  type IssuedCertificate,
  KEPT_PAUSE_MS,
  type ManagedCertificate,
  nextActionAt,
  pauseLimit,
} from '@certbus/events';
import { lifetimeMs } from './lifetime.ts';

/** A CA that is down is not asked more often than that for one that is at its emergency floor. */
const SHORTEST_PAUSE_MS = 300_000;
/** How long an order is left to its CA, milliseconds, where a twentieth of the lifetime is not in between. */
const [SHORTEST_WAIT_MS, LONGEST_WAIT_MS] = [3_600_000, 86_400_000];

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
  if (!isAsked) return waitedMs >= lifetimeMs(current) / 20;
  const isLong = until.getTime() - since.getTime() > KEPT_PAUSE_MS;
  // Where there is a second CA, it is asked in the place of this one.
  return isLong && waitedMs >= SHORTEST_PAUSE_MS && pauseLimit(current, { hasFallback: false }) <= now;
}

/**
 * Whether an order was left to its CA for so long that it counts as failed: a day, or a twentieth of the lifetime of what is served where that is
 * shorter, but not less than an hour, or a sixth of that lifetime: then there is time for another order before it ends. Nothing is recorded of an order that waits, so that nobody would hear of one that never ends.
 */
export function isOverdue(
  { startedAt }: Pick<Issuance, 'startedAt'>,
  current: Pick<IssuedCertificate, 'notBefore' | 'notAfter'> | undefined,
  now: Date,
): boolean {
  const livesMs = lifetimeMs(current);
  const longest = Math.max(Math.min(SHORTEST_WAIT_MS, livesMs / 6), Math.min(LONGEST_WAIT_MS, livesMs / 20));
  return now.getTime() - Date.parse(startedAt) >= longest;
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
