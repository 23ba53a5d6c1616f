/** What one way of validation is given, and how it ends. */
import type { PendingValidation } from '../ca.ts';
import type { Settings } from '../options.ts';
import type { DnsLookup } from './dns-lookup.ts';

/** What one way of validation is given. */
export interface MethodContext extends PendingValidation {
  readonly dns: DnsLookup;
  readonly settings: Settings;
  readonly now: Date;
  /** Token and thumbprint (RFC 8555 §8.1). */
  readonly keyAuthorization: string;
  readonly signal: AbortSignal;
}

/** One way of validation: resolves when the challenge is met, rejects with the problem when it is not. */
export type Method = (context: MethodContext) => Promise<void>;
