import {
  ConditionalCheckFailedException,
  DynamoDBClient,
  type DynamoDBClientConfig,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import { StoreError, TrimmedError, VersionConflictError } from '../../errors.ts';
import type { Log, StoredCommit } from '../../log.ts';
import { checkAppend, checkRead, closedError } from '../checks.ts';
import { isFinal, wrapDynamoDbError } from './errors.ts';
import { type Item, toCommit, toItem } from './items.ts';
import { createMaintenance, readFirst } from './maintenance.ts';
import { pause } from './pause.ts';
import { createTable, probeTable } from './table.ts';

const DEFAULT_LIMIT = 150;
const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;
const READ_ATTEMPTS = 3;
/** How long it is believed that a stream still reaches as far as it was seen to. */
const HEAD_KNOWN_MS = 10_000;
/** How long an append whose outcome is unknown is tried again where no signal ends it. */
const OUTCOME_DEADLINE_MS = 120_000;

export interface DynamoDbLogOptions {
  readonly table: string;
  /** A stream that these credentials may read: a policy may allow no other. Default `certbus`. */
  readonly stream?: string;
  /** Default: the environment's. */
  readonly region?: string;
  /** For DynamoDB Local; default the region's own. */
  readonly endpoint?: string;
  /** Default: the SDK's chain of environment, profile and role. */
  readonly credentials?: NonNullable<DynamoDBClientConfig['credentials']>;
  /** Make the table where it does not exist. Default false. */
  readonly create?: boolean;
  /** How long one request may take before it is tried again, in milliseconds; default 10,000. */
  readonly requestTimeoutMs?: number;
  /** Ends opening, which waits for a new table. */
  readonly signal?: AbortSignal | undefined;
}

/** The SDK's own looks at every character first, half of a read's time. What is no base64 is no commit: its hash tells. */
function decodeBase64(text: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Uint8Array(buffer, byteOffset, byteLength);
}

function createClient(options: DynamoDbLogOptions, requestTimeoutMs: number): DynamoDBClient {
  const { region, endpoint, credentials } = options;
  return new DynamoDBClient({
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
    // Ours is the one loop that retries: it knows which outcome is unknown.
    maxAttempts: 1,
    base64Decoder: decodeBase64,
    requestHandler: {
      connectionTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it the SDK prints a warning and waits for ever.
      throwOnRequestTimeout: true,
      // The request's time ends with the answer's headers; this one covers a body that stops coming.
      socketTimeout: requestTimeoutMs,
    },
  });
}

/** A trim may run while a page is read: what follows a trimmed position is left to the next read. */
function untilTrimmed(found: readonly (StoredCommit | undefined)[]): StoredCommit[] {
  const trimmed = found.indexOf(undefined);
  return (trimmed < 0 ? found : found.slice(0, trimmed)).filter((commit) => commit !== undefined);
}

const send = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});

/**
 * Opens a log in a DynamoDB table: partition key `s` the stream, sort key `v` the position, one conditional put a commit.
 *
 * One region writes: a global table in its eventual mode judges conditions locally and loses appends. Rejects
 * `CERTBUS_STORE_NOT_FOUND`, `CERTBUS_STORE_ACCESS_DENIED`, `CERTBUS_STORE_ADDRESS_INVALID` (no region),
 * `CERTBUS_STORE_DAMAGED` (a table with other keys) or, within half a minute, `CERTBUS_STORE_UNREACHABLE`.
 */
export async function openDynamoDbLog(options: DynamoDbLogOptions): Promise<Log> {
  const { table, create = false, requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS, signal: openSignal } = options;
  const client = createClient(options, requestTimeoutMs);
  /** How far each stream was seen to reach, and when: nobody but an operator ever shortens one, and that takes longer. */
  const heads = new Map<string, { readonly position: number; readonly seenAt: number }>();
  let isClosed = false;

  const enter = (signal: AbortSignal | undefined) => {
    signal?.throwIfAborted();
    if (isClosed) throw closedError();
  };

  function remember(stream: string, position: number): void {
    const known = heads.get(stream)?.position ?? 0;
    if (position >= known) heads.set(stream, { position, seenAt: performance.now() });
  }

  /** Repeats what only reads: a few times, and within twice the time of one request. */
  async function retried<T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const deadline = performance.now() + requestTimeoutMs;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await work();
      } catch (error) {
        signal?.throwIfAborted();
        const wrapped = wrapDynamoDbError(table, error);
        if (isFinal(wrapped) || attempt >= READ_ATTEMPTS || performance.now() >= deadline) throw wrapped;
      }
      await pause(attempt, signal);
    }
  }

  async function query(
    stream: string,
    after: number,
    limit: number,
    consistent: boolean,
    signal: AbortSignal | undefined,
  ) {
    for (let start: Item | undefined; ; ) {
      const { Items = [], LastEvaluatedKey } = await client.send(
        new QueryCommand({
          TableName: table,
          KeyConditionExpression: 's = :s AND v > :v',
          ExpressionAttributeValues: { ':s': { S: stream }, ':v': { N: String(after) } },
          ConsistentRead: consistent,
          Limit: limit,
          ExclusiveStartKey: start,
        }),
        send(signal),
      );
      const commits = untilTrimmed(Items.map(toCommit));
      if (Items.length > 0 && commits.length === 0)
        throw new TrimmedError(stream, (await readFirst({ client, table }, stream, signal)).first);
      const last = commits.at(-1);
      // Seen here, it is in the log for good, whatever kind of read showed it.
      if (last) remember(stream, last.position);
      // Only a missing key is the end: a page before it may be short, or even empty.
      const isWhole = LastEvaluatedKey === undefined && commits.length === Items.length;
      if (last || !LastEvaluatedKey) return { commits, end: isWhole };
      start = LastEvaluatedKey;
    }
  }

  async function read(
    stream: string,
    after: number,
    limit: number,
    consistent: boolean,
    signal: AbortSignal | undefined,
  ) {
    return retried(() => query(stream, after, limit, consistent, signal), signal);
  }

  /** The condition of a put cannot see another item: that the stream reaches up to `after` is looked up once. */
  async function checkReaches(stream: string, after: number, signal: AbortSignal | undefined): Promise<void> {
    // A stream that was trimmed keeps an item at position 1.
    if (after === 0) return;
    const known = heads.get(stream);
    if (after <= (known?.position ?? 0) && performance.now() - (known?.seenAt ?? 0) < HEAD_KNOWN_MS) return;
    const found = await read(stream, after - 1, 1, true, signal).catch((error: unknown) => {
      if (error instanceof TrimmedError) return undefined;
      throw error;
    });
    if (found?.commits[0]?.position === after) return;
    heads.delete(stream);
    throw new VersionConflictError(stream, after + 1);
  }

  /** One try. An error means that the outcome is unknown, unless it is a final one. */
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
          Item: toItem(stream, position, bytes),
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
      if (isClosed) throw outcomeUnknown(stream, position, outcome);
    }
  }

  try {
    if (create) await createTable(client, table, openSignal);
    else
      await retried(() => probeTable(client, { table, stream: options.stream ?? 'certbus' }, openSignal), openSignal);
  } catch (error) {
    client.destroy();
    openSignal?.throwIfAborted();
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
      checkRead(after, limit);
      enter(signal);
      return read(stream, after, limit, consistent, signal);
    },
    maintenance: createMaintenance({ client, table }, (stream) => heads.delete(stream)),
    async close() {
      isClosed = true;
      client.destroy();
    },
  };
}

/**
 * Makes the table of a bus as {@link openDynamoDbLog} with `create` does, and says its name in AWS, which policies need. Rejects as
 * that does.
 */
export async function bootstrapTable(options: Omit<DynamoDbLogOptions, 'create'>): Promise<{ tableArn: string }> {
  const client = createClient(options, options.requestTimeoutMs ?? DEFAULT_REQUEST_TIMEOUT_MS);
  try {
    return await createTable(client, options.table, options.signal);
  } catch (error) {
    options.signal?.throwIfAborted();
    throw wrapDynamoDbError(options.table, error);
  } finally {
    client.destroy();
  }
}

function outcomeUnknown(stream: string, position: number, cause: StoreError): StoreError {
  const what = `It is not known whether the commit at position ${position} of "${stream}" was written. The next run looks at the bus and finds out.`;
  return new StoreError('CERTBUS_STORE_OUTCOME_UNKNOWN', what, { cause });
}
