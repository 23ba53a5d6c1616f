/** The steps of an issuance, for those who watch it. */
import type { ChallengeType } from '@certbus/events';

/** A step of an issuance. */
export interface Progress {
  readonly step:
    | 'waiting'
    | 'claimed'
    | 'taken-over'
    | 'order'
    | 'answered'
    | 'pending'
    | 'warning'
    | 'issued'
    | 'recorded'
    /** It ended without a certificate; what was called rejects with the reason. */
    | 'ended';
  readonly certificateId: string;
  readonly names: readonly string[];
  /** With `waiting`: who holds the claim. */
  readonly holder?: string;
  /** With `waiting`: the end of the claim. With `pending`: when the wait is given up. */
  readonly until?: Date;
  /** With `waiting`: when the claim is taken over, unless its holder ends or extends it before. */
  readonly takeOverAt?: Date;
  readonly orderUrl?: string;
  /** With `answered`: the challenge type that proves the names. */
  readonly challengeType?: ChallengeType;
  /** With `warning`: what goes wrong, or will be a problem later. With `pending`: what the last look found. */
  readonly message?: string;
}
