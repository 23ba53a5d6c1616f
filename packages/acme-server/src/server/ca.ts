/** What all resources of the CA share. */
import type { Clock } from './clock.ts';
import type { AcmeServerEvents } from './events.ts';
import type { Hierarchy } from './hierarchy.ts';
import type { Limiter } from './limits/limiter.ts';
import type { Settings } from './options.ts';
import type { Account, Authorization, Challenge, Records } from './records.ts';
import type { RenewalScript } from './renewal-script.ts';
import type { Terms } from './terms.ts';

/** A challenge that its account has answered, and the CA has yet to check. */
export interface PendingValidation {
  readonly account: Account;
  readonly accountUrl: string;
  readonly authorization: Authorization;
  readonly challenge: Challenge;
}

/** What all resources of a CA share. */
export interface Ca {
  readonly settings: Settings;
  readonly clock: Clock;
  readonly random: () => number;
  readonly records: Records;
  readonly hierarchy: Hierarchy;
  readonly limiter: Limiter;
  readonly renewals: RenewalScript;
  readonly terms: Terms;
  /** Share of good nonces that are refused. */
  readonly nonceRejection: { percent: number };
  /** Begins a validation; its outcome is written to the records later. */
  validate(validation: PendingValidation): void;
  emit<Name extends keyof AcmeServerEvents>(name: Name, ...event: AcmeServerEvents[Name]): void;
}
