/** Makes the store of a bus, for `certbus bus bootstrap`. */
import { parseAddress, parseArchiveAddress } from '@certbus/store';
import type { Policies } from '@certbus/store/dynamodb-policies';
import { openLog } from '@certbus/store/open';
import type { Outgoing } from '@certbus/store/outgoing';

/** Makes the store that an address names, where it is not there; for a table the policies of those who use it. */
export async function bootstrap(
  address: string,
  {
    archive,
    outgoing,
    signal,
  }: {
    readonly archive: string | undefined;
    readonly outgoing: Outgoing | undefined;
    readonly signal: AbortSignal;
  },
): Promise<{ policies: Policies | undefined }> {
  const place = parseAddress(address);
  const archivePlace = archive ? parseArchiveAddress(archive) : undefined;
  if (place.kind !== 'dynamodb') {
    await (await openLog(place, { create: true, signal })).close();
    return { policies: undefined };
  }
  const { bootstrapTable } = await import('@certbus/store/dynamodb');
  const { createPolicies } = await import('@certbus/store/dynamodb-policies');
  const { table, stream, region, endpoint } = place;
  const options = { table, outgoing, signal, ...(region ? { region } : {}), ...(endpoint ? { endpoint } : {}) };
  const { tableArn } = await bootstrapTable(options);
  return {
    policies: createPolicies({ tableArn, stream, archive: archivePlace?.kind === 's3' ? archivePlace : undefined }),
  };
}
