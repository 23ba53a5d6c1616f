/** The part of the configuration that says where DNS-01 is answered: settings of any provider in the registry. */
import { type DnsSettings, PROVIDERS } from '@certbus/solvers';
import * as v from 'valibot';

/** Settings of one provider. */
export const dnsSettings: v.GenericSchema<unknown, DnsSettings> = v.variant(
  'provider',
  PROVIDERS.map(({ schema }) => schema),
  `must have a provider that this release knows: ${PROVIDERS.map(({ name }) => name).join(', ')}`,
);
