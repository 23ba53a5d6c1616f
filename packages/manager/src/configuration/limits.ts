/** The limits of CAs in the configuration, in the place of those that a CA publishes. */
import type { CaLimits, Rate } from '@certbus/acme';
import * as v from 'valibot';
import { durationMs, isDuration } from './duration.ts';

/** So many within a time, such as `7d`, refilled evenly. */
export interface ConfiguredRate {
  readonly count: number;
  /** A number with `m`, `h` or `d`; seven days at most. */
  readonly within: string;
}

/** What a CA allows, where it is not what the CA publishes. What is absent stays as it is published. */
export interface ConfiguredLimits {
  /** New orders of the account. */
  readonly orders?: ConfiguredRate | undefined;
  /** Certificates of a registered domain. */
  readonly domains?: ConfiguredRate | undefined;
  /** Certificates of an exact set of names. */
  readonly nameSets?: ConfiguredRate | undefined;
  /** Failed validations of a name. */
  readonly failures?: ConfiguredRate | undefined;
  /** Whether renewals of the same names count for `orders` and `domains`. */
  readonly renewals?: 'exempt' | 'counted' | undefined;
}

const rate = v.strictObject({
  count: v.pipe(v.number('must be a number'), v.integer('must be whole'), v.minValue(1, 'must be 1 or more')),
  within: v.pipe(v.string('must be a string'), v.check(isDuration, 'must be a time such as 3h, of seven days at most')),
});

/** The schema of {@link ConfiguredLimits}. */
export const configuredLimits: v.GenericSchema<unknown, ConfiguredLimits> = v.strictObject({
  orders: v.optional(rate),
  domains: v.optional(rate),
  nameSets: v.optional(rate),
  failures: v.optional(rate),
  renewals: v.optional(v.picklist(['exempt', 'counted'], 'must be "exempt" or "counted"')),
});

const rateOf = ({ count, within }: ConfiguredRate): Rate => ({ capacity: count, refillMs: durationMs(within) / count });

/** The limits that count at a CA: the configured ones, and for all else the published ones. */
export function limitsAt(published: CaLimits, { renewals, ...rates }: ConfiguredLimits = {}): CaLimits {
  const configured = Object.entries(rates).flatMap(([name, given]) => (given ? [[name, rateOf(given)]] : []));
  return { ...published, ...Object.fromEntries(configured), ...(renewals ? { renewals } : {}) };
}
