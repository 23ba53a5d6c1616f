/** Which resolvers the configuration names for a domain. */
import { dnsSettingsFor } from '../issuance/solvers.ts';
import type { Configuration } from './configuration.ts';

/** The resolvers for a domain, as an issuance would ask them; `undefined` where the configuration names none. */
export function resolversFor(config: Configuration, domain: string): readonly string[] | undefined {
  const dns = dnsSettingsFor(config, domain);
  const own = config.quarantine === false ? undefined : config.quarantine?.resolver;
  return (
    own ??
    (dns && 'resolver' in dns ? dns.resolver : undefined) ??
    config.http01?.resolver ??
    config.tlsAlpn01?.resolver
  );
}
