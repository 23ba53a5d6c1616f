/** The state of a DynamoDB table, and the wait until it can be used. */
import {
  DescribeTableCommand,
  type DynamoDBClient,
  ResourceNotFoundException,
  type TableDescription,
} from '@aws-sdk/client-dynamodb';
import { StoreError } from '../../errors.ts';
import { patiently, requestOptions } from './connection.ts';
import { PREPARING, pause, READY_DEADLINE_MS } from './pause.ts';

/** A new table is not seen at once: descriptions are eventually consistent. */
async function describe(client: DynamoDBClient, table: string, signal: AbortSignal | undefined) {
  const request = new DescribeTableCommand({ TableName: table });
  try {
    return (await patiently({ table }, signal, () => client.send(request, requestOptions(signal)))).Table;
  } catch (error) {
    if (error instanceof ResourceNotFoundException) return undefined;
    throw error;
  }
}

/** States of a table in which it can be read and written. One that is updated, as by a new replica, can be for hours. */
const USABLE: ReadonlySet<string | undefined> = new Set(['ACTIVE', 'UPDATING']);
/** States that waiting does not end, and what to do about each. */
const ENDED: Readonly<Record<string, string>> = {
  DELETING: 'is being deleted. Run this again once it is gone',
  INACCESSIBLE_ENCRYPTION_CREDENTIALS:
    'has a KMS key that DynamoDB cannot use: look at the state and the policy of that key',
  ARCHIVING: 'is being archived, since its KMS key could not be used for a week. Restore it from its backup',
  ARCHIVED: 'was archived, since its KMS key could not be used for a week. Restore it from its backup',
};

/** Waits until a table can be read and written. Rejects `CERTBUS_STORE_UNREACHABLE` where that does not come, or takes too long. */
export async function waitUntilUsable(
  client: DynamoDBClient,
  table: string,
  signal: AbortSignal | undefined,
): Promise<TableDescription> {
  const deadline = performance.now() + READY_DEADLINE_MS;
  for (;;) {
    const description = await describe(client, table, signal);
    const state = description?.TableStatus;
    if (description && USABLE.has(state)) return description;
    const ended = ENDED[state ?? ''];
    if (ended !== undefined)
      throw new StoreError('CERTBUS_STORE_UNREACHABLE', `The DynamoDB table "${table}" ${ended}.`);
    if (performance.now() > deadline) {
      const what = `The DynamoDB table "${table}" does not get active: it is ${state ?? 'not there'}. Try again.`;
      throw new StoreError('CERTBUS_STORE_UNREACHABLE', what);
    }
    await pause(PREPARING, signal);
  }
}
