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

/** Remembers when challenges were received. */
export interface ReceivedChallenges {
  /** Takes those that the bus announces now, and returns those that can be answered, each until an hour after it was received at the latest. */
  take(challenges: readonly Challenge[]): readonly Challenge[];
}

/** Makes it; a start receives what the replica has. */
export function createReceivedChallenges({ now }: { readonly now: () => Date }): ReceivedChallenges {
  /** By all that tells one from another: the instant that it ends, milliseconds since 1970, `undefined` where it was dated too far ahead. */
  let ends = new Map<string, number | undefined>();
  const keyOf = (challenge: Challenge): string => JSON.stringify(challenge);

  function endOf(challenge: Challenge): number | undefined {
    const received = now().getTime();
    return isAnswered(challenge, now()) ? Math.min(Date.parse(challenge.expiresAt), received + HOUR_MS) : undefined;
  }

  return {
    take(challenges) {
      const taken = new Map<string, number | undefined>();
      const answered: Challenge[] = [];
      for (const challenge of challenges) {
        const key = keyOf(challenge);
        const end = ends.has(key) ? ends.get(key) : endOf(challenge);
        taken.set(key, end);
        if (end !== undefined) answered.push({ ...challenge, expiresAt: new Date(end).toISOString() });
      }
      ends = taken;
      return answered;
    },
  };
}
