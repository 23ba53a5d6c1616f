/** Opens logs and archives by address. */
import { type BusAddress, parseAddress, tableNameOf } from './address.ts';
import { type ArchiveAddress, parseArchiveAddress } from './archive/address.ts';
import type { ArchivePlace } from './archive/place.ts';
import type { Log } from './log.ts';
import type { Outgoing } from './outgoing/outgoing.ts';

/** AWS credentials: a subset of what the SDK takes. */
export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken?: string;
  readonly expiration?: Date;
}

export interface OpenLogOptions {
  /** Make the store where it does not exist. Default false: opening what does not exist fails. */
  readonly create?: boolean;
  /** For DynamoDB. Default: the SDK's chain of environment, profile and role. */
  readonly credentials?: AwsCredentials | (() => Promise<AwsCredentials>) | undefined;
  /** The way to AWS through a proxy, from `createOutgoing` of `@certbus/store/outgoing`. Default: the direct one. */
  readonly outgoing?: Pick<Outgoing, 'agents'> | undefined;
  /** Ends opening, with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Opens the log that an address names; its adapter is imported on demand, so that a database that is not used is not loaded.
 * Rejects `CERTBUS_STORE_ADDRESS_INVALID`, `CERTBUS_STORE_NOT_FOUND`, and with the errors of the adapter.
 */
export async function openLog(
  address: string | BusAddress,
  { create = false, credentials, outgoing, signal }: OpenLogOptions = {},
): Promise<Log> {
  const place = typeof address === 'string' ? parseAddress(address) : address;
  signal?.throwIfAborted();
  switch (place.kind) {
    case 'memory': {
      const { openMemoryLog } = await import('./adapters/memory.ts');
      return openMemoryLog(place.name);
    }
    case 'sqlite': {
      const { openSqliteLog } = await import('./adapters/sqlite/sqlite.ts');
      return openSqliteLog(place.path, { create, signal });
    }
    case 'dynamodb': {
      const { openDynamoDbLog } = await import('./adapters/dynamodb/dynamodb.ts');
      const { stream, region, endpoint } = place;
      return openDynamoDbLog({
        table: tableNameOf(place),
        stream,
        create,
        outgoing,
        signal,
        ...(region ? { region } : {}),
        ...(endpoint ? { endpoint } : {}),
        ...(credentials ? { credentials } : {}),
      });
    }
  }
}

/** Opens the place of archives and snapshots that an address names. Throws `CERTBUS_STORE_ADDRESS_INVALID`. */
export async function openArchivePlace(
  address: string | ArchiveAddress,
  { credentials, outgoing }: Pick<OpenLogOptions, 'credentials' | 'outgoing'> = {},
): Promise<ArchivePlace> {
  const place = typeof address === 'string' ? parseArchiveAddress(address) : address;
  if (place.kind === 'folder') {
    const { openFolder } = await import('./adapters/places/folder.ts');
    return openFolder(place.path);
  }
  const { openS3 } = await import('./adapters/places/s3.ts');
  return openS3({ ...place, credentials, outgoing });
}
