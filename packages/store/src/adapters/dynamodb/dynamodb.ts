/** The adapter for DynamoDB: opens a log in a table, and makes the table of a bus. */
import type { Log } from '../../log.ts';
import { checkAppend, checkRead } from '../checks.ts';
import { append, checkReaches } from './append.ts';
import {
  checkOpen,
  connectDynamoDb,
  type DynamoDbConnection,
  type DynamoDbLogOptions,
  disconnect,
  once,
  retried,
} from './connection.ts';
import { createMaintenance } from './maintenance.ts';
import { readPage } from './pages.ts';
import { createTable, probeTable } from './table.ts';

export type { DynamoDbLogOptions } from './connection.ts';

const DEFAULT_LIMIT = 150;

/**
 * Makes the table. Where these credentials may not, as those of a manager, which read and append alone, one that is there will do. Rejects as
 * making it does.
 */
async function makeTable({ client, table }: DynamoDbConnection, stream: string, signal: AbortSignal | undefined) {
  try {
    await createTable(client, table, signal);
  } catch (error) {
    if (!(error instanceof Error) || error.name !== 'AccessDeniedException') throw error;
    await probeTable(client, { table, stream }, signal).catch(() => Promise.reject(error));
  }
}

/** Makes the table, or rejects unless it can be read. */
async function prepareTable(connection: DynamoDbConnection, options: DynamoDbLogOptions): Promise<void> {
  const { client, table } = connection;
  const { stream = 'certbus', create = false, signal } = options;
  await once(connection, signal, async () => {
    if (create) await makeTable(connection, stream, signal);
    else await retried(connection, signal, () => probeTable(client, { table, stream }, signal));
  });
}

/**
 * Opens a log in a DynamoDB table: partition key `s` the stream, sort key `v` the position, one conditional put a commit.
 *
 * One region writes: a global table in its eventual mode judges conditions locally and loses appends. Rejects
 * `CERTBUS_STORE_NOT_FOUND`, `CERTBUS_STORE_ACCESS_DENIED`, `CERTBUS_STORE_ADDRESS_INVALID` (no region),
 * `CERTBUS_STORE_DAMAGED` (a table with other keys) or, within half a minute, `CERTBUS_STORE_UNREACHABLE`.
 */
export async function openDynamoDbLog(options: DynamoDbLogOptions): Promise<Log> {
  const connection = connectDynamoDb(options);
  try {
    await prepareTable(connection, options);
  } catch (error) {
    disconnect(connection);
    throw error;
  }
  return {
    async append(stream, after, bytes, { signal } = {}) {
      checkAppend(stream, after, bytes);
      checkOpen(connection, signal);
      await checkReaches(connection, stream, after, signal);
      checkOpen(connection, signal);
      return append(connection, stream, { position: after + 1, bytes }, signal);
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, consistent = false, signal } = {}) {
      checkRead(after, limit);
      checkOpen(connection, signal);
      return readPage(connection, stream, after, { limit, consistent, signal });
    },
    maintenance: createMaintenance(connection),
    async close() {
      disconnect(connection);
    },
  };
}

/**
 * Makes the table of a bus as {@link openDynamoDbLog} with `create` does, and returns its name in AWS, which policies need. Rejects as
 * that does.
 */
export async function bootstrapTable(options: Omit<DynamoDbLogOptions, 'create'>): Promise<{ tableArn: string }> {
  const { table, signal } = options;
  const connection = connectDynamoDb(options);
  try {
    return await once(connection, signal, () => createTable(connection.client, table, signal));
  } finally {
    disconnect(connection);
  }
}
