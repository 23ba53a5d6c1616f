/** Settings of a PowerDNS Authoritative Server in the configuration. */
import * as v from 'valibot';
import { httpUrl, lookup, nonEmpty, pem, type Secret, secret } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers in a PowerDNS Authoritative Server. */
export interface PowerDnsSettings extends DnsSettings {
  readonly provider: 'powerdns';
  readonly url: string;
  readonly apiKey: Secret;
  readonly serverId?: string | undefined;
  /** PEM of a private CA's roots, for the TLS of the API. */
  readonly roots?: string | undefined;
}

/** The schema of {@link PowerDnsSettings}. */
export const settings: SettingsSchema<PowerDnsSettings> = v.strictObject({
  ...lookup,
  provider: v.literal('powerdns'),
  url: httpUrl,
  apiKey: secret,
  serverId: v.optional(nonEmpty),
  roots: v.optional(pem),
});
