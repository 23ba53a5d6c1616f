import type { Authority } from './authority.ts';
import type { Clock } from './clock.ts';
import type { AcmeServerEvents } from './events.ts';
import type { Limiter } from './limits/limiter.ts';
import type { Settings } from './options.ts';
import type { Account, Authorization, Challenge, Records } from './records.ts';
import type { RenewalScript } from './renewal-script.ts';
import type { Terms } from './terms.ts';

/** A challenge that its account says it has met. */
export interface ValidationJob {
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
  readonly authority: Authority;
  readonly limiter: Limiter;
  readonly renewals: RenewalScript;
  readonly terms: Terms;
  /** Share of good nonces that are refused. */
  readonly nonceRejection: { percent: number };
  /** Begins a validation; its outcome is written to the records later. */
  validate(job: ValidationJob): void;
  emit<Name extends keyof AcmeServerEvents>(name: Name, ...event: AcmeServerEvents[Name]): void;
}
