/** Settings of Cloudflare in the configuration. */
import * as v from 'valibot';
import { lookup, type Secret, secret } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers at Cloudflare. */
export interface CloudflareSettings extends DnsSettings {
  readonly provider: 'cloudflare';
  readonly token: Secret;
}

/** The schema of {@link CloudflareSettings}. */
export const settings: SettingsSchema<CloudflareSettings> = v.strictObject({
  ...lookup,
  provider: v.literal('cloudflare'),
  token: secret,
});
