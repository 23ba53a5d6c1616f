import {
  type AttributeValue,
  ConditionalCheckFailedException,
  CreateTableCommand,
  DescribeTableCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  PutItemCommand,
  QueryCommand,
  ResourceInUseException,
  UpdateContinuousBackupsCommand,
} from '@aws-sdk/client-dynamodb';
import { checkAppend, checkPosition, closedError } from '../checks.ts';
import { StoreError, VersionConflictError } from '../errors.ts';
import type { Log, StoredCommit } from '../log.ts';
import { isFinal, wrapDynamoDbError } from './dynamodb-errors.ts';

const DEFAULT_LIMIT = 150;
const REQUEST_TIMEOUT_MS = 10_000;
const READ_ATTEMPTS = 3;
/** How long an append whose outcome is unknown is tried again where no signal ends it. */
const OUTCOME_DEADLINE_MS = 120_000;
const FIRST_PAUSE_MS = 50;
const MAX_PAUSE_MS = 5_000;

export interface DynamoDbLogOptions {
  readonly table: string;
  /** Default: the environment's. */
  readonly region?: string;
  /** For DynamoDB Local; default the region's own. */
  readonly endpoint?: string;
  /** Default: the SDK's chain of environment, profile and role. */
  readonly credentials?: NonNullable<DynamoDBClientConfig['credentials']>;
  /** Make the table where it does not exist. Default false. */
  readonly create?: boolean;
}

type Item = Record<string, AttributeValue>;

/** Attributes: `s` stream, `v` position, `d` the commit's bytes. */
function toCommit(item: Item): StoredCommit {
  const position = Number(item['v']?.N);
  const bytes = item['d']?.B;
  if (bytes && Number.isSafeInteger(position)) return { position, bytes };
  throw new StoreError(
    'CERTBUS_STORE_DAMAGED',
    `An item of the table is no commit (position ${item['v']?.N ?? 'unknown'}).`,
  );
}

function createClient({ region, endpoint, credentials }: DynamoDbLogOptions): DynamoDBClient {
  return new DynamoDBClient({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
    // Ours is the one loop that retries: it knows which outcome is unknown.
    maxAttempts: 1,
    requestHandler: { requestTimeout: REQUEST_TIMEOUT_MS, connectionTimeout: REQUEST_TIMEOUT_MS },
  });
}

function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const ms = Math.random() * Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** attempt);
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    if (signal?.aborted) return reject(signal.reason);
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop);
      resolve();
    }, ms);
    signal?.addEventListener('abort', stop, { once: true });
  });
}

const send = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});

/** Makes the table: on-demand billing, protected from deletion, with point-in-time recovery where the service offers it. */
async function createTable(client: DynamoDBClient, table: string): Promise<void> {
  try {
    await client.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        DeletionProtectionEnabled: true,
        AttributeDefinitions: [
          { AttributeName: 's', AttributeType: 'S' },
          { AttributeName: 'v', AttributeType: 'N' },
        ],
        KeySchema: [
          { AttributeName: 's', KeyType: 'HASH' },
          { AttributeName: 'v', KeyType: 'RANGE' },
        ],
      }),
    );
  } catch (error) {
    if (!(error instanceof ResourceInUseException)) throw error;
  }
}

async function waitUntilActive(client: DynamoDBClient, table: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }));
    if (Table?.TableStatus === 'ACTIVE') return;
    if (attempt > 60)
      throw new StoreError('CERTBUS_STORE_UNREACHABLE', `The DynamoDB table "${table}" does not get active.`);
    await pause(5, undefined);
  }
}

async function enableRecovery(client: DynamoDBClient, table: string): Promise<void> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  try {
    await client.send(new UpdateContinuousBackupsCommand({ TableName: table, PointInTimeRecoverySpecification }));
  } catch (error) {
    // DynamoDB Local has no backups.
    if (!(error instanceof Error && error.name === 'UnknownOperationException')) throw error;
  }
}

/**
 * Opens a log in a DynamoDB table: partition key `s` the stream, sort key `v` the position, one conditional put a commit.
 *
 * One region writes: a global table in its eventual mode judges conditions locally and loses appends. Rejects
 * `CERTBUS_STORE_NOT_FOUND`, `CERTBUS_STORE_ACCESS_DENIED`, `CERTBUS_STORE_ADDRESS_INVALID` (no region) or
 * `CERTBUS_STORE_UNREACHABLE`.
 */
export async function openDynamoDbLog(options: DynamoDbLogOptions): Promise<Log> {
  const { table, create = false } = options;
  const client = createClient(options);
  const heads = new Map<string, number>();
  let isClosed = false;

  const enter = (signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };

  function remember(stream: string, position: number): void {
    heads.set(stream, Math.max(position, heads.get(stream) ?? 0));
  }

  async function query(
    stream: string,
    after: number,
    limit: number,
    consistent: boolean,
    signal: AbortSignal | undefined,
  ) {
    const { Items = [], LastEvaluatedKey } = await client.send(
      new QueryCommand({
        TableName: table,
        KeyConditionExpression: 's = :s AND v > :v',
        ExpressionAttributeValues: { ':s': { S: stream }, ':v': { N: String(after) } },
        ConsistentRead: consistent,
        Limit: limit,
      }),
      send(signal),
    );
    const commits = Items.map(toCommit);
    const last = commits.at(-1);
    // Seen here, it is in the log for good, whatever kind of read showed it.
    if (last) remember(stream, last.position);
    return { commits, end: LastEvaluatedKey === undefined };
  }

  async function read(
    stream: string,
    after: number,
    limit: number,
    consistent: boolean,
    signal: AbortSignal | undefined,
  ) {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await query(stream, after, limit, consistent, signal);
      } catch (error) {
        signal?.throwIfAborted();
        const wrapped = wrapDynamoDbError(table, error);
        if (isFinal(wrapped) || attempt >= READ_ATTEMPTS) throw wrapped;
      }
      await pause(attempt, signal);
    }
  }

  /** The condition of a put cannot see another item: that the stream reaches up to `after` is looked up once. */
  async function checkReaches(stream: string, after: number, signal: AbortSignal | undefined): Promise<void> {
    if (after <= (heads.get(stream) ?? 0)) return;
    const { commits } = await read(stream, after - 1, 1, true, signal);
    if (commits[0]?.position !== after) throw new VersionConflictError(stream, after + 1);
  }

  /** One try. `undefined`: the outcome is unknown. */
  async function put(
    stream: string,
    position: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<StoreError | 'written'> {
    try {
      await client.send(
        new PutItemCommand({
          TableName: table,
          Item: { s: { S: stream }, v: { N: String(position) }, d: { B: bytes } },
          ConditionExpression: 'attribute_not_exists(s)',
          ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
        }),
        send(signal),
      );
      return 'written';
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) return wrapDynamoDbError(table, error);
      const found = error.Item?.['d']?.B;
      remember(stream, position);
      // An earlier try whose answer was lost wrote exactly these bytes.
      if (found && Buffer.compare(found, bytes) === 0) return 'written';
      throw new VersionConflictError(stream, position, found);
    }
  }

  async function write(
    stream: string,
    position: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    const deadline = performance.now() + OUTCOME_DEADLINE_MS;
    for (let attempt = 1; ; attempt += 1) {
      const outcome = await put(stream, position, bytes, signal);
      if (outcome === 'written') {
        remember(stream, position);
        return position;
      }
      // The service looked at the request and refused it, the first time: nothing can have been written.
      if (isFinal(outcome) && attempt === 1) throw outcome;
      if (isFinal(outcome) || performance.now() > deadline) throw outcomeUnknown(stream, position, outcome);
      await pause(attempt, signal).catch(() => {
        throw outcomeUnknown(stream, position, outcome);
      });
    }
  }

  try {
    if (create) {
      await createTable(client, table);
      await waitUntilActive(client, table);
      await enableRecovery(client, table);
    } else {
      await client.send(new QueryCommand(probe(table)));
    }
  } catch (error) {
    client.destroy();
    throw wrapDynamoDbError(table, error);
  }

  return {
    async append(stream, after, bytes, { signal } = {}) {
      checkAppend(stream, after, bytes);
      enter(signal);
      await checkReaches(stream, after, signal);
      enter(signal);
      return write(stream, after + 1, bytes, signal);
    },
    async read(stream, after, { limit = DEFAULT_LIMIT, consistent = false, signal } = {}) {
      checkPosition(after);
      enter(signal);
      return read(stream, after, limit, consistent, signal);
    },
    async close() {
      isClosed = true;
      client.destroy();
    },
  };
}

function outcomeUnknown(stream: string, position: number, cause: StoreError): StoreError {
  const what = `It is not known whether the commit at position ${position} of "${stream}" was written. The next run looks at the bus and finds out.`;
  return new StoreError('CERTBUS_STORE_OUTCOME_UNKNOWN', what, { cause });
}

/** The smallest read that a load balancer's policy allows: it may not describe the table. */
function probe(table: string) {
  return {
    TableName: table,
    KeyConditionExpression: 's = :s',
    ExpressionAttributeValues: { ':s': { S: 'certbus-probe' } },
    Limit: 1,
  };
}
