import { type HostedZone, ListHostedZonesCommand, type Route53Client } from '@aws-sdk/client-route-53';
import { AcmeError } from '../../../errors.ts';
import { call, type Sleep } from './call.ts';

/** What finding zones takes. */
export interface ZoneOptions {
  readonly client: Route53Client;
  /** The zone to use whatever the names are. */
  readonly zoneId: string | undefined;
  /** Names under which zones may be chosen; `*` for all. */
  readonly zones: readonly string[];
  readonly sleep: Sleep;
  readonly now: () => Date;
}

/** Finds the hosted zone in which a record belongs. */
export type FindZone = (dnsName: string, signal: AbortSignal) => Promise<string>;

const MAX_AGE_MS = 300_000;

const bare = (name: string | undefined): string => (name ?? '').toLowerCase().replace(/\.$/, '');

const isWithin = (name: string, zone: string): boolean => zone === '*' || name === zone || name.endsWith(`.${zone}`);

async function listPublicZones({ client, sleep }: ZoneOptions, signal: AbortSignal): Promise<HostedZone[]> {
  const zones: HostedZone[] = [];
  let marker: string | undefined;
  do {
    const command = new ListHostedZonesCommand({ ...(marker ? { Marker: marker } : {}) });
    const page = await call('Listing hosted zones', (options) => client.send(command, options), { signal, sleep });
    zones.push(...(page.HostedZones ?? []).filter(({ Config }) => !Config?.PrivateZone));
    marker = page.IsTruncated ? page.NextMarker : undefined;
  } while (marker);
  return zones;
}

function notFound(message: string): AcmeError {
  return new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
}

function choose(zones: readonly HostedZone[], allowed: readonly string[], dnsName: string): string | undefined {
  const fitting = zones
    .filter(({ Name }) => isWithin(dnsName, bare(Name)) && allowed.some((zone) => isWithin(bare(Name), bare(zone))))
    .toSorted((one, other) => bare(other.Name).length - bare(one.Name).length);
  const [best, next] = fitting;
  if (best && next && bare(best.Name) === bare(next.Name)) {
    throw notFound(
      `Route 53 has two public hosted zones named ${bare(best.Name)}, for ${dnsName}. Say which one with "zoneId".`,
    );
  }
  return best?.Id;
}

/**
 * Chooses the public hosted zone with the longest name that the record lies in; the list of zones is kept for five minutes. Rejects
 * with `CERTBUS_ACME_ZONE_NOT_FOUND`, also where two zones bear that name.
 */
export function createFindZone(options: ZoneOptions): FindZone {
  const { zoneId, zones: allowed, now } = options;
  let known: { readonly zones: readonly HostedZone[]; readonly until: number } | undefined;
  return async (dnsName, signal) => {
    if (zoneId) return zoneId;
    const cached = known && known.until > now().getTime() ? choose(known.zones, allowed, dnsName) : undefined;
    if (cached) return cached;
    const zones = await listPublicZones(options, signal);
    known = { zones, until: now().getTime() + MAX_AGE_MS };
    const found = choose(zones, allowed, dnsName);
    if (found) return found;
    const where = allowed.includes('*') ? '' : ` within ${allowed.join(', ')}`;
    throw notFound(`Route 53 has no public hosted zone for ${dnsName}${where}. Create it, or set "zoneId".`);
  };
}
