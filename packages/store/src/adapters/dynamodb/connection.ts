/** A connection to a DynamoDB table: its client, its time limits, and how requests are repeated. */
import { DynamoDBClient, type DynamoDBClientConfig } from '@aws-sdk/client-dynamodb';
import { FILES_AGAIN, isWorthAgain } from '../../aws-again.ts';
import { isRefused } from '../../denial.ts';
import { checkEndpoint } from '../../endpoint.ts';
import type { Outgoing } from '../../outgoing/outgoing.ts';
import { closedError } from '../checks.ts';
import { isFinal, isRefusedForNow, wrapDynamoDbError } from './errors.ts';
import { createSeenHeads, type SeenHeads } from './heads.ts';
import { pause } from './pause.ts';

const DEFAULT_REQUEST_TIMEOUT_MS = 10_000;
const READ_ATTEMPTS = 3;
/** How long a request of maintenance that is refused for now is sent again. */
const PATIENCE_MS = 120_000;

export interface DynamoDbLogOptions {
  readonly table: string;
  /** A stream that these credentials can read: a policy may allow no other. Default `certbus`. */
  readonly stream?: string;
  /** Default: the environment's. */
  readonly region?: string;
  /** For DynamoDB Local; default the region's own. */
  readonly endpoint?: string;
  /** Default: the SDK's chain of environment, profile and role. */
  readonly credentials?: NonNullable<DynamoDBClientConfig['credentials']>;
  /** The way to AWS through a proxy, from `createOutgoing` of `@certbus/store/outgoing`. Default: the direct one. */
  readonly outgoing?: Pick<Outgoing, 'agents'> | undefined;
  /** Make the table where it does not exist. Default false. */
  readonly create?: boolean;
  /** How long one request may take before it is tried again, in milliseconds; default 10,000. */
  readonly requestTimeoutMs?: number;
  /** Ends opening, which waits for a new table. */
  readonly signal?: AbortSignal | undefined;
}

/** A client for one table, and what this process knows of the table's streams. */
export interface DynamoDbConnection {
  readonly client: DynamoDBClient;
  readonly table: string;
  /** How long one request may take. */
  readonly requestTimeoutMs: number;
  readonly heads: SeenHeads;
  isClosed: boolean;
}

/** The SDK's own decoder checks every character first, half of a read's time. What is not base64 is not a commit: its hash shows it. */
function decodeBase64(text: string): Uint8Array {
  const { buffer, byteOffset, byteLength } = Buffer.from(text, 'base64');
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** How often a request was sent again. */
const tokenOf = (count: number) => ({ getRetryCount: () => count, getRetryDelay: () => 0 });

/** Makes a connection; sends nothing yet. */
export function connectDynamoDb(options: Omit<DynamoDbLogOptions, 'create' | 'signal'>): DynamoDbConnection {
  const { table, region, endpoint, credentials, outgoing } = options;
  checkEndpoint(endpoint);
  const { requestTimeoutMs = DEFAULT_REQUEST_TIMEOUT_MS } = options;
  const client: DynamoDBClient = new DynamoDBClient({
    ...FILES_AGAIN,
    ...(region ? { region } : {}),
    ...(endpoint ? { endpoint } : {}),
    ...(credentials ? { credentials } : {}),
    // Ours is the one loop that retries: it knows which outcome is unknown.
    retryStrategy: {
      acquireInitialRetryToken: async () => tokenOf(0),
      async refreshRetryTokenForRetry(token, { error }) {
        if (token.getRetryCount() > 0 || !(await isWorthAgain(client, error))) throw error;
        return tokenOf(1);
      },
      recordSuccess() {},
    },
    base64Decoder: decodeBase64,
    requestHandler: {
      connectionTimeout: requestTimeoutMs,
      requestTimeout: requestTimeoutMs,
      // Without it the SDK prints a warning and waits without end.
      throwOnRequestTimeout: true,
      // The request's time ends with the answer's headers; this one covers a body that stops coming.
      socketTimeout: requestTimeoutMs,
      ...outgoing?.agents({ timeoutMs: requestTimeoutMs }),
    },
  });
  return { client, table, requestTimeoutMs, heads: createSeenHeads(), isClosed: false };
}

/** Ends a connection; requests that are under way fail. */
export function disconnect(connection: DynamoDbConnection): void {
  connection.isClosed = true;
  connection.client.destroy();
}

/** Throws the signal's reason, or `CERTBUS_STORE_CLOSED`. */
export function checkOpen({ isClosed }: DynamoDbConnection, signal: AbortSignal | undefined): void {
  signal?.throwIfAborted();
  if (isClosed) throw closedError();
}

/** The SDK's options of one request. */
export function requestOptions(signal: AbortSignal | undefined): { abortSignal?: AbortSignal } {
  return signal ? { abortSignal: signal } : {};
}

/**
 * Repeats what only reads: a few times, or as often as there is time where the service has no room for it, and within twice the time of one request. Rejects
 * with a `StoreError`.
 */
export async function retried<T>(
  { table, requestTimeoutMs }: DynamoDbConnection,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + requestTimeoutMs;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      const wrapped = wrapDynamoDbError(table, error);
      const isEnough = attempt >= READ_ATTEMPTS && !isRefusedForNow(wrapped);
      if (isFinal(wrapped) || isEnough || performance.now() >= deadline) throw wrapped;
    }
    await pause(attempt, signal);
  }
}

/**
 * Sends a request of maintenance, each of which can be sent twice: again as long as the service has no room for it, for two minutes at most, since a trim asks
 * for more than a table takes at once, and a few times where no answer comes. Rejects with the signal's reason, or as the SDK does.
 */
export async function patiently<T>(
  { table }: Pick<DynamoDbConnection, 'table'>,
  signal: AbortSignal | undefined,
  send: () => Promise<T>,
): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  let lost = 0;
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await send();
    } catch (error) {
      signal?.throwIfAborted();
      const wrapped = wrapDynamoDbError(table, error);
      if (!isRefusedForNow(wrapped)) {
        lost += 1;
        if (isFinal(wrapped) || isRefused(error) || lost >= READ_ATTEMPTS) throw error;
      }
      if (performance.now() >= deadline) throw error;
    }
    await pause(attempt, signal);
  }
}

/** Does something once; rejects with the signal's reason or a `StoreError`. */
export async function once<T>(
  { table }: Pick<DynamoDbConnection, 'table'>,
  signal: AbortSignal | undefined,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal?.throwIfAborted();
    throw wrapDynamoDbError(table, error);
  }
}
