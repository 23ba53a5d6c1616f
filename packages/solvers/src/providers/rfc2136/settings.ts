/** Settings of a server that takes signed dynamic updates, in the configuration. */
import * as v from 'valibot';
import { lookup, nonEmpty, type Secret, secret, serverAddress } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers by signed dynamic updates (RFC 2136, RFC 8945). */
export interface Rfc2136Settings extends DnsSettings {
  readonly provider: 'rfc2136';
  /** The primary server: `HOST`, `HOST:PORT` or `[IPV6]:PORT`. */
  readonly server: string;
  readonly key: {
    readonly name: string;
    readonly algorithm?: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512' | undefined;
    /** In base64. */
    readonly secret: Secret;
  };
  /** The zone of all names. Default: found in DNS. */
  readonly zone?: string | undefined;
  readonly transport?: 'udp' | 'tcp' | undefined;
}

/** The schema of {@link Rfc2136Settings}. */
export const settings: SettingsSchema<Rfc2136Settings> = v.strictObject({
  ...lookup,
  provider: v.literal('rfc2136'),
  server: serverAddress,
  key: v.strictObject({
    name: nonEmpty,
    algorithm: v.optional(
      v.picklist(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'], 'must be hmac-sha256, hmac-sha384 or hmac-sha512'),
    ),
    secret,
  }),
  zone: v.optional(nonEmpty),
  transport: v.optional(v.picklist(['udp', 'tcp'], 'must be udp or tcp')),
});
