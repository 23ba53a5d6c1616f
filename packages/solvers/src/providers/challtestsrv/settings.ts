/** Settings of the sandbox's DNS server in the configuration. */
import * as v from 'valibot';
import { httpUrl, zones } from '../../definition/fields.ts';
import type { DnsSettings, SettingsSchema } from '../../definition/provider.ts';

/** Answers in pebble-challtestsrv, for sandbox and tests. */
export interface ChallTestSrvSettings extends Pick<DnsSettings, 'zones'> {
  readonly provider: 'challtestsrv';
  readonly url: string;
}

/** The schema of {@link ChallTestSrvSettings}. */
export const settings: SettingsSchema<ChallTestSrvSettings> = v.strictObject({
  zones,
  provider: v.literal('challtestsrv'),
  url: httpUrl,
});
