/** The DynamoDB table of a log: its keys, its protection, and whether it can be read. */
import {
  CreateTableCommand,
  DescribeTableCommand,
  type DynamoDBClient,
  type KeySchemaElement,
  QueryCommand,
  ResourceInUseException,
  ResourceNotFoundException,
  type TableDescription,
  UpdateContinuousBackupsCommand,
  UpdateTableCommand,
} from '@aws-sdk/client-dynamodb';
import { describeDenial } from '../../denial.ts';
import { StoreError } from '../../errors.ts';
import { requestOptions } from './connection.ts';
import { pause } from './pause.ts';

/** How long a new table, and then its backups, may take to be ready. */
const READY_DEADLINE_MS = 120_000;
/** Pauses of up to 1.6 s while the service prepares something. */
const PREPARING = 5;

const KEYS: readonly KeySchemaElement[] = [
  { AttributeName: 's', KeyType: 'HASH' },
  { AttributeName: 'v', KeyType: 'RANGE' },
];

/** Asks for the table. Returns whether it was not there before. */
async function requestTable(client: DynamoDBClient, table: string, signal: AbortSignal | undefined): Promise<boolean> {
  const request = new CreateTableCommand({
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    AttributeDefinitions: [
      { AttributeName: 's', AttributeType: 'S' },
      { AttributeName: 'v', AttributeType: 'N' },
    ],
    KeySchema: [...KEYS],
  });
  try {
    await client.send(request, requestOptions(signal));
    return true;
  } catch (error) {
    if (error instanceof ResourceInUseException) return false;
    throw error;
  }
}

/** A new table is not seen at once: descriptions are eventually consistent. */
async function describe(client: DynamoDBClient, table: string, signal: AbortSignal | undefined) {
  try {
    return (await client.send(new DescribeTableCommand({ TableName: table }), requestOptions(signal))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

async function waitUntilActive(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal | undefined,
): Promise<TableDescription> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    const description = await describe(client, table, signal);
    if (description?.TableStatus === 'ACTIVE') return description;
    if (performance.now() > deadline)
      throw new StoreError(
        'CERTBUS_STORE_UNREACHABLE',
        `The DynamoDB table "${table}" does not get active. Try again.`,
      );
    await pause(PREPARING, signal);
  }
}

function checkKeys(table: string, { KeySchema = [] }: TableDescription): void {
  const isOurs =
    KeySchema.length === KEYS.length &&
    KEYS.every(
      (key, at) => KeySchema[at]?.AttributeName === key.AttributeName && KeySchema[at]?.KeyType === key.KeyType,
    );
  if (isOurs) return;
  const what = `The DynamoDB table "${table}" is not a CertBus table: it lacks the keys "s" and "v". Check its name.`;
  throw new StoreError('CERTBUS_STORE_DAMAGED', what);
}

/** For a table that was made by hand, or whose protection somebody removed. */
async function protect(
  client: DynamoDBClient,
  table: string,
  { DeletionProtectionEnabled }: TableDescription,
  signal: AbortSignal | undefined,
): Promise<void> {
  if (DeletionProtectionEnabled) return;
  await client.send(
    new UpdateTableCommand({ TableName: table, DeletionProtectionEnabled: true }),
    requestOptions(signal),
  );
  await waitUntilActive(client, table, signal);
}

async function enableRecovery(client: DynamoDBClient, table: string, signal: AbortSignal | undefined): Promise<void> {
  const PointInTimeRecoverySpecification = { PointInTimeRecoveryEnabled: true };
  const request = new UpdateContinuousBackupsCommand({ TableName: table, PointInTimeRecoverySpecification });
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    try {
      await client.send(request, requestOptions(signal));
      return;
    } catch (error) {
      const name = error instanceof Error ? error.name : '';
      // DynamoDB Local has no backups.
      if (name === 'UnknownOperationException') return;
      // The service prepares the backups of a new table for a while after it is active.
      if (name !== 'ContinuousBackupsUnavailableException' || performance.now() > deadline) throw error;
    }
    await pause(PREPARING, signal);
  }
}

/** A table that was made a moment ago and has no backups would be taken for one that has. */
function unprotected(table: string, cause: unknown): StoreError {
  const said = describeDenial(cause);
  const what = `The DynamoDB table "${table}" was made, and has no point-in-time recovery: these credentials may not switch that on.`;
  const message = `${what}${said ? ` ${said}.` : ''} Run "certbus bus bootstrap" with credentials that may, then this again.`;
  return new StoreError('CERTBUS_STORE_ACCESS_DENIED', message, { cause });
}

/**
 * Makes the table where it does not exist, and waits until it can be used: on-demand billing, protected from deletion, with
 * point-in-time recovery where the service has it. One that exists gets the latter two. Repeating it is harmless. Throws
 * `CERTBUS_STORE_DAMAGED` when a table of this name has other keys; that one stays as it was.
 */
export async function createTable(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal | undefined,
): Promise<{ tableArn: string }> {
  const isNew = await requestTable(client, table, signal);
  const description = await waitUntilActive(client, table, signal);
  checkKeys(table, description);
  await protect(client, table, description, signal);
  await enableRecovery(client, table, signal).catch((error: unknown) => {
    const isDenied = error instanceof Error && error.name === 'AccessDeniedException';
    throw isNew && isDenied ? unprotected(table, error) : error;
  });
  return { tableArn: description.TableArn ?? '' };
}

/** The smallest read that a load balancer's policy allows: it may not describe the table. */
export async function probeTable(
  client: DynamoDBClient,
  { table, stream }: { readonly table: string; readonly stream: string },
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = new QueryCommand({
    TableName: table,
    // Both keys, so that a table with others is refused.
    KeyConditionExpression: 's = :s AND v > :v',
    ExpressionAttributeValues: { ':s': { S: stream }, ':v': { N: '0' } },
    Limit: 1,
  });
  await client.send(request, requestOptions(signal));
}
