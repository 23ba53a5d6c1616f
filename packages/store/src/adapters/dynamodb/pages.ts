/** Reads pages of a stream from a DynamoDB table. */
import { QueryCommand } from '@aws-sdk/client-dynamodb';
import { TrimmedError } from '../../errors.ts';
import type { Page, StoredCommit } from '../../log.ts';
import { withinPage } from '../../page-size.ts';
import { type DynamoDbConnection, requestOptions, retried } from './connection.ts';
import { type Item, toCommit } from './items.ts';
import { readFirst } from './maintenance.ts';

/** How to read one page. */
export interface PageOptions {
  readonly limit: number;
  readonly consistent: boolean;
  readonly signal: AbortSignal | undefined;
}

/** A trim may run while a page is read: what follows a trimmed position is left to the next read. */
function untilTrimmed(found: readonly (StoredCommit | undefined)[]): StoredCommit[] {
  const trimmed = found.indexOf(undefined);
  return (trimmed < 0 ? found : found.slice(0, trimmed)).filter((commit) => commit !== undefined);
}

async function query(
  connection: DynamoDbConnection,
  stream: string,
  after: number,
  { limit, consistent, signal }: PageOptions,
): Promise<Page> {
  const { client, table, heads } = connection;
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
      requestOptions(signal),
    );
    // The service goes past a megabyte by its last item.
    const commits = [...withinPage(untilTrimmed(Items.map(toCommit)))];
    if (Items.length > 0 && commits.length === 0)
      throw new TrimmedError(stream, (await readFirst(connection, stream, signal)).first);
    const last = commits.at(-1);
    // Once seen, it is in the log permanently, whatever kind of read showed it.
    if (last) heads.see(stream, last.position);
    // Only a missing key is the end: a page before it may be short, or even empty.
    const isWhole = LastEvaluatedKey === undefined && commits.length === Items.length;
    if (last || !LastEvaluatedKey) return { commits, end: isWhole };
    start = LastEvaluatedKey;
  }
}

/** Reads the page behind `after`, with a few tries. Rejects with a {@link TrimmedError} or another `StoreError`. */
export async function readPage(
  connection: DynamoDbConnection,
  stream: string,
  after: number,
  options: PageOptions,
): Promise<Page> {
  return retried(connection, options.signal, () => query(connection, stream, after, options));
}
