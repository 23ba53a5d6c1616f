/** Finds the zone of a name in DNS. */
import { AcmeError } from '@certbus/acme';
import type { Lookups } from './lookups.ts';

/** A name and those above it, the nearest first, without the top-level domain. */
export function namesUpwards(name: string): string[] {
  const labels = name.split('.');
  return labels.slice(0, -1).map((_, from) => labels.slice(from).join('.'));
}

/**
 * The zone that a name lies in by the delegations of DNS: the nearest name upwards with an SOA record. Top-level domains are no
 * zones of anybody here. Rejects with `CERTBUS_ACME_ZONE_NOT_FOUND`.
 */
export async function zoneInDns(name: string, { isApex }: Pick<Lookups, 'isApex'>): Promise<string> {
  for (const candidate of namesUpwards(name)) if (await isApex(candidate)) return candidate;
  const message = `DNS has no zone for ${name}: no name upwards has an SOA record. Check the name, its delegation, and the resolver.`;
  throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
}
