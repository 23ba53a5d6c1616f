/** Which of the challenges that the manager announced are answered now. */
import type { Challenge } from '@certbus/events/history';

const HOUR_MS = 3_600_000;
/** How much the clocks of managers and load balancers may differ. */
const SKEW_MS = 300_000;

/**
 * Whether a challenge is answered at an instant. Its commit says when it was signed, which its manager can choose: it is answered for an
 * hour, and not for years.
 */
export function isAnswered({ expiresAt }: Challenge, at: Date): boolean {
  const leftMs = Date.parse(expiresAt) - at.getTime();
  return leftMs > 0 && leftMs <= HOUR_MS + SKEW_MS;
}
