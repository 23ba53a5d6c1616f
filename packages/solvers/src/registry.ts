/** Every DNS provider, one line each, and the solver of settings that name one. */
import type { Solver } from '@certbus/acme';
import type { DnsProvider, DnsSettings, Surroundings } from './definition/provider.ts';
import { acmeDns } from './providers/acme-dns/describe.ts';
import { challTestSrv } from './providers/challtestsrv/describe.ts';
import { cloudflare } from './providers/cloudflare/describe.ts';
import { exec } from './providers/exec/describe.ts';
import { httpReq } from './providers/httpreq/describe.ts';
import { powerDns } from './providers/powerdns/describe.ts';
import { rfc2136 } from './providers/rfc2136/describe.ts';
import { route53 } from './providers/route53/describe.ts';

/** Every DNS provider, in the order in which they are listed. */
export const PROVIDERS: readonly DnsProvider[] = [
  route53,
  cloudflare,
  rfc2136,
  powerDns,
  acmeDns,
  httpReq,
  exec,
  challTestSrv,
];

/**
 * Makes the solver that settings name, which imports its code. Rejects with `TypeError` for settings that cannot work, and as the
 * surroundings do.
 */
export async function createSolver(settings: DnsSettings, surroundings: Surroundings): Promise<Solver> {
  const provider = PROVIDERS.find(({ name }) => name === settings.provider);
  if (!provider) throw new TypeError(`There is no DNS provider "${settings.provider}"`);
  return provider.createSolver(settings, surroundings);
}
