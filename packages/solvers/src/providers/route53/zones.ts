/** Finds the hosted zone of a record. */
import { type HostedZone, ListHostedZonesCommand } from '@aws-sdk/client-route-53';
import { AcmeError } from '@certbus/acme';
import { type Caller, call } from './call.ts';
import { shareWork } from './waiting.ts';

/** Which zones of an account may be chosen. */
export interface ZoneChoice {
  /** The zone to use whatever the names are. */
  readonly zoneId: string | undefined;
  /** Names under which zones may be chosen; `*` for all. */
  readonly zones: readonly string[];
}

/** Finds the hosted zone in which a record belongs: the public one with the longest name. Rejects with `CERTBUS_ACME_ZONE_NOT_FOUND`. */
export type FindZone = (dnsName: string, choice: ZoneChoice, signal: AbortSignal) => Promise<string>;

const MAX_AGE_MS = 300_000;
/** A list younger than this is not asked for again, though a name's zone is missing. */
const FRESH_MS = 10_000;

const bare = (name: string | undefined): string => (name ?? '').toLowerCase().replace(/\.$/, '');

const isWithin = (name: string, zone: string): boolean => zone === '*' || name === zone || name.endsWith(`.${zone}`);

async function listPublicZones(caller: Caller, signal: AbortSignal): Promise<HostedZone[]> {
  const zones: HostedZone[] = [];
  let marker: string | undefined;
  do {
    const command = new ListHostedZonesCommand({ ...(marker ? { Marker: marker } : {}) });
    const options = { attempt: 'Listing hosted zones', signal };
    const page = await call(caller, options, (client, how) => client.send(command, how));
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

/** Creates the search. The list of zones is kept for five minutes, and asked for once by all who need it at the same time. */
export function createFindZone(caller: Caller, now: () => Date): FindZone {
  let known: { readonly zones: readonly HostedZone[]; readonly at: number } | undefined;
  const listing = shareWork(async (signal) => {
    const zones = await listPublicZones(caller, signal);
    known = { zones, at: now().getTime() };
    return zones;
  });
  return async (dnsName, { zoneId, zones: allowed }, signal) => {
    if (zoneId) return zoneId;
    const age = known ? now().getTime() - known.at : Number.POSITIVE_INFINITY;
    const cached = known && age < MAX_AGE_MS ? choose(known.zones, allowed, dnsName) : undefined;
    if (cached) return cached;
    const zones = known && age < FRESH_MS ? known.zones : await listing.join(signal);
    const found = choose(zones, allowed, dnsName);
    if (found) return found;
    const where = allowed.includes('*') ? '' : ` within ${allowed.join(', ')}`;
    throw notFound(`Route 53 has no public hosted zone for ${dnsName}${where}. Create it, or set "zoneId".`);
  };
}
