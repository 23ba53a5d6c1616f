/** Settings of a server for lego's httpreq protocol, in the configuration. */
import * as v from 'valibot';
import { httpUrl, lookup, nonEmpty, pem, type Secret, secret } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers by a server that speaks lego's httpreq protocol. */
export interface HttpReqSettings extends DnsSettings {
  readonly provider: 'httpreq';
  readonly url: string;
  /** What the server gets: name and value, or domain, token and key authorization. Default `default`. */
  readonly mode?: 'default' | 'raw' | undefined;
  readonly username?: string | undefined;
  readonly password?: Secret | undefined;
  /** PEM of a private CA's roots, for the TLS of the server. */
  readonly roots?: string | undefined;
}

/** The schema of {@link HttpReqSettings}. */
export const settings: SettingsSchema<HttpReqSettings> = v.pipe(
  v.strictObject({
    ...lookup,
    provider: v.literal('httpreq'),
    url: httpUrl,
    mode: v.optional(v.picklist(['default', 'raw'], 'must be default or raw')),
    username: v.optional(nonEmpty),
    password: v.optional(secret),
    roots: v.optional(pem),
  }),
  v.forward(
    v.check(({ username, password }) => (username === undefined) === (password === undefined), 'goes with username'),
    ['password'],
  ),
);
