/** Reads record sets of a zone. */
import { ListResourceRecordSetsCommand, type ResourceRecordSet } from '@aws-sdk/client-route-53';
import { type Caller, call } from './call.ts';

const PAGE = 300;

/** The key of Route 53's order: labels reversed, with the closing dot (API reference, ListResourceRecordSets). */
function orderKey(name: string): string {
  return `${name.split('.').toReversed().join('.')}.`;
}

const bare = (name: string | undefined): string => (name ?? '').toLowerCase().replace(/\.$/, '');

async function readPage(
  caller: Caller,
  { zoneId, from, size, signal }: { zoneId: string; from: string; size: number; signal: AbortSignal },
) {
  const command = new ListResourceRecordSetsCommand({
    HostedZoneId: zoneId,
    StartRecordName: from,
    StartRecordType: 'TXT',
    MaxItems: size,
  });
  const attempt = `Reading the TXT records from ${from} on`;
  const page = await call(caller, { attempt, signal }, (client, options) => client.send(command, options));
  return { sets: page.ResourceRecordSets ?? [], isLast: !page.IsTruncated };
}

/**
 * Reads the TXT record sets of names. Pages over what lies between two names where they are near to each other, and jumps where not, so
 * that it never takes more calls than there are names or pages. Names without a set are absent from the result.
 */
export async function readSets(
  caller: Caller,
  { zoneId, names }: { readonly zoneId: string; readonly names: readonly string[] },
  signal: AbortSignal,
): Promise<Map<string, ResourceRecordSet>> {
  const wanted = names
    .map((name) => ({ name, key: orderKey(name) }))
    .toSorted((one, other) => (one.key < other.key ? -1 : 1));
  const asked = new Set(names);
  const found = new Map<string, ResourceRecordSet>();
  let at = 0;
  while (at < wanted.length) {
    const [first] = wanted.slice(at);
    if (!first) break;
    const size = wanted.length - at === 1 ? 1 : PAGE;
    const { sets, isLast } = await readPage(caller, { zoneId, from: first.name, size, signal });
    for (const set of sets) {
      const name = bare(set.Name);
      if (set.Type === 'TXT' && asked.has(name) && !found.has(name)) found.set(name, set);
    }
    const end = orderKey(bare(sets.at(-1)?.Name));
    // The last name of a full page may have its TXT set on the next one, unless it is here.
    const settled = wanted.findIndex(
      ({ name, key }, index) => index > at && !isLast && key >= end && !(key === end && found.has(name)),
    );
    at = isLast || settled === -1 ? wanted.length : settled;
  }
  return found;
}
