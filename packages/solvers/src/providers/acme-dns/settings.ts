/** Settings of an acme-dns in the configuration. */
import * as v from 'valibot';
import { httpUrl, lookup, nonEmpty, pem, type Secret, secret } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers by an acme-dns, which names point to by CNAME. */
export interface AcmeDnsSettings extends DnsSettings {
  readonly provider: 'acme-dns';
  readonly url: string;
  /** PEM of a private CA's roots, for the TLS of the API. */
  readonly roots?: string | undefined;
  readonly accounts: readonly {
    readonly fulldomain: string;
    readonly subdomain: string;
    readonly username: string;
    readonly password: Secret;
  }[];
}

const account = v.strictObject({ fulldomain: nonEmpty, subdomain: nonEmpty, username: nonEmpty, password: secret });

/** The schema of {@link AcmeDnsSettings}. */
export const settings: SettingsSchema<AcmeDnsSettings> = v.strictObject({
  ...lookup,
  provider: v.literal('acme-dns'),
  url: httpUrl,
  roots: v.optional(pem),
  accounts: v.pipe(v.array(account, 'must be a list of accounts'), v.nonEmpty('must have at least one account')),
});
