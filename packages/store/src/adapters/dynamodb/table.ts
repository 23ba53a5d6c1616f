/** The DynamoDB table of a log: its keys, and whether it can be read. */
import {
  type AttributeDefinition,
  CreateTableCommand,
  type DynamoDBClient,
  type KeySchemaElement,
  QueryCommand,
  ResourceInUseException,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { StoreError } from '../../errors.ts';
import { patiently, requestOptions } from './connection.ts';
import { enableRecovery, protect } from './protection.ts';
import { waitUntilUsable } from './state.ts';

const KEYS: readonly KeySchemaElement[] = [
  { AttributeName: 's', KeyType: 'HASH' },
  { AttributeName: 'v', KeyType: 'RANGE' },
];
const ATTRIBUTES: readonly AttributeDefinition[] = [
  { AttributeName: 's', AttributeType: 'S' },
  { AttributeName: 'v', AttributeType: 'N' },
];

/** Asks for the table. Returns whether it was not there before; of one whose answer was lost, that is not known. */
async function requestTable(client: DynamoDBClient, table: string, signal: AbortSignal | undefined): Promise<boolean> {
  const request = new CreateTableCommand({
    TableName: table,
    BillingMode: 'PAY_PER_REQUEST',
    DeletionProtectionEnabled: true,
    AttributeDefinitions: [...ATTRIBUTES],
    KeySchema: [...KEYS],
  });
  try {
    await patiently({ table }, signal, () => client.send(request, requestOptions(signal)));
    return true;
  } catch (error) {
    if (error instanceof ResourceInUseException) return false;
    throw error;
  }
}

function checkKeys(table: string, { KeySchema = [], AttributeDefinitions = [] }: TableDescription): void {
  const typeOf = (name: string | undefined) =>
    AttributeDefinitions.find(({ AttributeName }) => AttributeName === name)?.AttributeType;
  const isOurs =
    KeySchema.length === KEYS.length &&
    KEYS.every(
      (key, at) => KeySchema[at]?.AttributeName === key.AttributeName && KeySchema[at]?.KeyType === key.KeyType,
    ) &&
    ATTRIBUTES.every(({ AttributeName, AttributeType }) => typeOf(AttributeName) === AttributeType);
  if (isOurs) return;
  const what = `The DynamoDB table "${table}" is not a CertBus table: it lacks the keys "s" (a string) and "v" (a number). Check its name.`;
  throw new StoreError('CERTBUS_STORE_DAMAGED', what);
}

/**
 * Makes the table where it does not exist, and waits until it can be used: on-demand billing, protected from deletion, with
 * point-in-time recovery where the service has it. One that exists gets the latter two. Repeating it is harmless. Throws
 * `CERTBUS_STORE_DAMAGED` when a table of this name has other keys; that one stays as it was. Throws `CERTBUS_STORE_ACCESS_DENIED` where a
 * protection is missing and these credentials may not switch it on.
 */
export async function createTable(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal | undefined,
): Promise<{ tableArn: string }> {
  const isNew = await requestTable(client, table, signal);
  const description = await waitUntilUsable(client, table, signal);
  checkKeys(table, description);
  await protect(client, table, description, signal);
  await enableRecovery(client, table, { isNew, signal });
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
