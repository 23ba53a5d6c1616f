/** Finds the zone of a name in DNS. */
import { AcmeError } from '@certbus/acme';
import { parse } from 'tldts';
import { controlNameFor } from './control-label.ts';
import type { Lookups } from './lookups.ts';

/** A name and those above it, the nearest first, with the top-level domain: a private one can be a zone. */
export function namesUpwards(name: string): string[] {
  const labels = name.split('.');
  return labels.map((_, from) => labels.slice(from).join('.'));
}

/**
 * Whether names are registered under this one by the public, such as `com` and `co.uk`: then it is nobody's zone here. `home.arpa` is one
 * of every home (RFC 8375), although the list of suffixes has it.
 */
function isPublicSuffix(name: string): boolean {
  if (name === 'home.arpa') return false;
  const { isIcann, publicSuffix } = parse(`x.${name}`);
  return isIcann === true && publicSuffix === name;
}

/** Whether the name next to it has an SOA record, too. That it cannot be looked up proves nothing. */
async function hasControl(look: (name: string) => Promise<boolean>, name: string): Promise<boolean> {
  try {
    return await look(controlNameFor(name));
  } catch (error) {
    if (error instanceof AcmeError) return false;
    throw error;
  }
}

/**
 * The zone that a name is in by the delegations of DNS: the nearest name upwards that has SOA and NS records which a name next to it, that
 * nobody has made, has not as well; some hosts answer them at every name. Where no name upwards has NS records, SOA records are
 * enough. A private top-level domain, such as `lan`, can be a zone, a public suffix cannot. Rejects with
 * `CERTBUS_ACME_ZONE_NOT_FOUND`, whose message says what was found at each name.
 */
export async function zoneInDns(
  name: string,
  { isApex, nameServers }: Pick<Lookups, 'isApex' | 'nameServers'>,
): Promise<string> {
  const hasServers = async (zone: string) => (await nameServers(zone)).length > 0;
  const refused: string[] = [];
  let unserved: string | undefined;
  for (const candidate of namesUpwards(name)) {
    if (!(await isApex(candidate))) continue;
    if (isPublicSuffix(candidate)) {
      refused.push(`${candidate} is a public suffix`);
      break;
    }
    const isServed = await hasServers(candidate);
    const isMadeUp = (await hasControl(isApex, candidate)) && (!isServed || (await hasControl(hasServers, candidate)));
    if (isMadeUp)
      refused.push(`${candidate} has the same records as a name next to it that does not exist, so they are made up`);
    else if (isServed) return candidate;
    else unserved ??= candidate;
  }
  if (unserved !== undefined) return unserved;
  const found =
    refused.length > 0 ? `no name upwards is a zone (${refused.join('; ')})` : 'no name upwards has an SOA record';
  const message = `DNS has no zone for ${name}: ${found}. Check the name, its delegation, and the resolver.`;
  throw new AcmeError('CERTBUS_ACME_ZONE_NOT_FOUND', message);
}
