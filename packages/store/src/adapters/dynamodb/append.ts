/** Appends one commit to a stream in a DynamoDB table, exactly once. */
import { ConditionalCheckFailedException, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { StoreError, TrimmedError, VersionConflictError } from '../../errors.ts';
import type { StoredCommit } from '../../log.ts';
import { closedError } from '../checks.ts';
import { type DynamoDbConnection, requestOptions } from './connection.ts';
import { isFinal, isRefusedForNow, wrapDynamoDbError } from './errors.ts';
import { toItem } from './items.ts';
import { readPage } from './pages.ts';
import { pause } from './pause.ts';

/** How long an append whose outcome is unknown is tried again where no signal ends it. */
const OUTCOME_DEADLINE_MS = 120_000;

/** Rejects with a {@link VersionConflictError} unless a stream reaches `after`: the condition of a put cannot see another item. */
export async function checkReaches(
  connection: DynamoDbConnection,
  stream: string,
  after: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  // A stream that was trimmed keeps an item at position 1.
  if (after === 0) return;
  const { heads } = connection;
  if (heads.reaches(stream, after)) return;
  const options = { limit: 1, consistent: true, signal };
  const found = await readPage(connection, stream, after - 1, options).catch((error: unknown) => {
    if (error instanceof TrimmedError) return undefined;
    throw error;
  });
  if (found?.commits[0]?.position === after) return;
  heads.forget(stream);
  throw new VersionConflictError(stream, after + 1);
}

/** One try. An error means that the outcome is unknown, unless the service refused the request. */
async function put(
  { client, table, heads }: DynamoDbConnection,
  stream: string,
  { position, bytes }: StoredCommit,
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
      requestOptions(signal),
    );
    return 'written';
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) return wrapDynamoDbError(table, error);
    const found = error.Item?.['d']?.B;
    heads.see(stream, position);
    // An earlier try whose answer was lost wrote exactly these bytes.
    if (found && Buffer.compare(found, bytes) === 0) return 'written';
    throw new VersionConflictError(stream, position, found);
  }
}

function outcomeUnknown(stream: string, position: number, cause: StoreError): StoreError {
  const what = `It is not known whether the commit at position ${position} of "${stream}" was written. The next run looks at the bus and finds out.`;
  return new StoreError('CERTBUS_STORE_OUTCOME_UNKNOWN', what, { cause });
}

/**
 * Writes a commit at its position and returns that position; as long as the outcome is unknown, or the service has no room for it, tries the same bytes
 * there again.
 */
export async function append(
  connection: DynamoDbConnection,
  stream: string,
  commit: StoredCommit,
  signal: AbortSignal | undefined,
): Promise<number> {
  const { position } = commit;
  const deadline = performance.now() + OUTCOME_DEADLINE_MS;
  let isUnknown = false;
  for (let attempt = 1; ; attempt += 1) {
    const outcome = await put(connection, stream, commit, signal);
    if (outcome === 'written') {
      connection.heads.see(stream, position);
      return position;
    }
    // The service looked at each request and refused it: nothing can have been written.
    isUnknown ||= !isFinal(outcome) && !isRefusedForNow(outcome);
    const failure = isUnknown ? outcomeUnknown(stream, position, outcome) : outcome;
    if (isFinal(outcome) || performance.now() > deadline) throw failure;
    await pause(attempt, signal).catch((reason: unknown) => {
      throw isUnknown ? failure : reason;
    });
    if (connection.isClosed) throw isUnknown ? failure : closedError();
  }
}
