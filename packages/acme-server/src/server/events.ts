/** The events that a test can listen to. */
import type { ChallengeType } from './records.ts';
import type { LoggedRequest } from './request-log.ts';

/** A challenge that is validated. */
export interface ValidatedChallenge {
  readonly name: string;
  readonly type: ChallengeType;
  /** RFC 8555 section 8.1. */
  readonly keyAuthorization: string;
}

/** What a server tells those who watch it. Names are as the client ordered them. */
export interface AcmeServerEvents {
  /** A request was answered, or was not, on purpose. */
  request: [LoggedRequest];
  /** An account was created, changed, or deactivated. */
  account: [{ readonly url: string; readonly what: 'created' | 'updated' | 'deactivated' | 'key-changed' }];
  /** An order was made, or given again. */
  order: [
    {
      readonly url: string;
      readonly names: readonly string[];
      readonly profile: string;
      readonly replaces?: string;
      readonly isReused: boolean;
    },
  ];
  /** The validation of a challenge begins. */
  validating: [ValidatedChallenge];
  /** A challenge was validated; `problem` says why it failed. */
  validation: [ValidatedChallenge & { readonly problem?: string }];
  /** A certificate was issued. */
  certificate: [{ readonly serial: string; readonly names: readonly string[]; readonly notAfter: Date }];
  /** A certificate was revoked. */
  revocation: [{ readonly serial: string; readonly reason: number }];
}
