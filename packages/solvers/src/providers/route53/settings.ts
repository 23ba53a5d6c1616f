/** Settings of Route 53 in the configuration. */
import * as v from 'valibot';
import { httpUrl, lookup, nonEmpty, type Secret, secret } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers in Route 53. */
export interface Route53Settings extends DnsSettings {
  readonly provider: 'route53';
  readonly zoneId?: string | undefined;
  readonly region?: string | undefined;
  readonly endpoint?: string | undefined;
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: Secret | undefined;
}

/** The schema of {@link Route53Settings}. */
export const settings: SettingsSchema<Route53Settings> = v.strictObject({
  ...lookup,
  provider: v.literal('route53'),
  zoneId: v.optional(nonEmpty),
  region: v.optional(nonEmpty),
  endpoint: v.optional(httpUrl),
  accessKeyId: v.optional(nonEmpty),
  secretAccessKey: v.optional(secret),
});
