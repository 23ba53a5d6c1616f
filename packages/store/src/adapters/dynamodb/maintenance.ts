/** What an operator does to a stream in a DynamoDB table: trim, replace, inspect. */
import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { VersionConflictError } from '../../errors.ts';
import type { LogEntry, LogMaintenance, ReplaceOptions } from '../../log.ts';
import { withinPage } from '../../page-size.ts';
import { checkRead, checkReplace } from '../checks.ts';
import { type DynamoDbConnection, once, patiently, requestOptions } from './connection.ts';
import { throttled } from './errors.ts';
import { type Item, keyOf, toEntry, toItem } from './items.ts';

/** As many items as one batch takes. */
const BATCH = 25;

type Table = Pick<DynamoDbConnection, 'client' | 'table'>;

/** The first position that was not trimmed, and how far the trimming got; a strong read. */
export async function readFirst(
  { client, table }: Table,
  stream: string,
  signal: AbortSignal | undefined,
): Promise<{ first: number; done: number }> {
  const request = new GetItemCommand({ TableName: table, Key: keyOf(stream, 0), ConsistentRead: true });
  const { Item } = await client.send(request, requestOptions(signal));
  return { first: Number(Item?.['f']?.N ?? 1), done: Number(Item?.['g']?.N ?? 0) };
}

async function mark(
  { client, table }: Table,
  stream: string,
  { name, value }: { readonly name: 'f' | 'g'; readonly value: number },
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = new UpdateItemCommand({
    TableName: table,
    Key: keyOf(stream, 0),
    UpdateExpression: 'SET #n = :n',
    // Another trim may have gone further.
    ConditionExpression: 'attribute_not_exists(#n) OR #n < :n',
    ExpressionAttributeNames: { '#n': name },
    ExpressionAttributeValues: { ':n': { N: String(value) } },
  });
  const send = () => client.send(request, requestOptions(signal));
  await patiently({ table }, signal, send).catch((error: unknown) => {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  });
}

async function empty(
  { client, table }: Table,
  stream: string,
  positions: readonly number[],
  signal: AbortSignal | undefined,
): Promise<void> {
  let requests: WriteRequest[] = positions.map((position) => ({ PutRequest: { Item: keyOf(stream, position) } }));
  const send = async () => {
    const request = new BatchWriteItemCommand({ RequestItems: { [table]: requests } });
    const { UnprocessedItems } = await client.send(request, requestOptions(signal));
    const left = UnprocessedItems?.[table] ?? [];
    // The service says so in its answer, and not as an error, where it takes none of a batch.
    if (left.length === requests.length) throw throttled(table);
    requests = left;
  };
  while (requests.length > 0) await patiently({ table }, signal, send);
}

async function trim(connection: Table, stream: string, first: number, signal: AbortSignal | undefined): Promise<void> {
  const { client, table } = connection;
  const get = new GetItemCommand({ TableName: table, Key: keyOf(stream, first), ConsistentRead: true });
  const kept = await patiently(connection, signal, () => client.send(get, requestOptions(signal)));
  const { done } = await patiently(connection, signal, () => readFirst(connection, stream, signal));
  if (done + 1 >= first) return;
  if (!kept.Item?.['d']) throw new VersionConflictError(stream, first);
  await mark(connection, stream, { name: 'f', value: first }, signal);
  for (let position = done + 1; position < first; position += BATCH) {
    const count = Math.min(BATCH, first - position);
    const positions = Array.from({ length: count }, (_, n) => position + n);
    await empty(connection, stream, positions, signal);
    if ((position - done) % (BATCH * 40) === 1) await mark(connection, stream, { name: 'g', value: position }, signal);
  }
  await mark(connection, stream, { name: 'g', value: first - 1 }, signal);
}

/** The item at position 0 as trims leave it: `f` is where the stream begins, `g` how far the trim before it got. */
async function correctFirst(
  { client, table }: Table,
  stream: string,
  first: number,
  { dryRun, signal }: { readonly dryRun: boolean; readonly signal: AbortSignal | undefined },
): Promise<boolean> {
  const Key = keyOf(stream, 0);
  const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
  const { Item } = await patiently({ table }, signal, () => client.send(get, requestOptions(signal)));
  const { f, g } = Item ?? {};
  const isFirst = f === undefined ? first === 1 : f.N === String(first);
  const isDone = g === undefined || (g.N !== undefined && Number(g.N) < first);
  if (isFirst && isDone) return false;
  if (dryRun) return true;
  // Without `g` the next trim goes over everything before it again: nobody knows how far the ones before really got.
  const mended = first > 1 ? { ...Key, f: { N: String(first) } } : Key;
  const put = new PutItemCommand({ TableName: table, Item: mended });
  await patiently({ table }, signal, () => client.send(put, requestOptions(signal)));
  return true;
}

/** The condition that exactly this is at a position. */
function conditionOf(found: Uint8Array | undefined) {
  return found
    ? { ConditionExpression: 'd = :found', ExpressionAttributeValues: { ':found': { B: found } } }
    : {
        // A trimmed position, or anything else that somebody put there and that is not a commit.
        ConditionExpression: 'attribute_not_exists(d) OR NOT attribute_type(d, :binary)',
        ExpressionAttributeValues: { ':binary': { S: 'B' } },
      };
}

/** Resolves where the bytes were found and replaced, or were replaced already. */
async function replace(
  { client, table }: Table,
  stream: string,
  position: number,
  { found, bytes, signal }: ReplaceOptions,
): Promise<void> {
  const condition = {
    TableName: table,
    ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
    ...conditionOf(found),
  };
  const request = bytes
    ? new PutItemCommand({ ...condition, Item: toItem(stream, position, bytes) })
    : new DeleteItemCommand({ ...condition, Key: keyOf(stream, position) });
  try {
    await patiently({ table }, signal, () => client.send(request as PutItemCommand, requestOptions(signal)));
  } catch (error) {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
    const there = error.Item?.['d']?.B;
    const isDone = there && bytes ? Buffer.compare(there, bytes) === 0 : !bytes && !error.Item;
    if (!isDone) throw new VersionConflictError(stream, position, there);
  }
}

const behind = (after: number) => ({ condition: 's = :s AND v > :v', values: { ':v': { N: String(after) } } });

async function* inspect(
  connection: Table,
  stream: string,
  after: number,
  signal: AbortSignal | undefined,
): AsyncIterable<readonly LogEntry[]> {
  const { client, table } = connection;
  let start: Item | undefined;
  // From the beginning on, also what is before every position.
  const range = after === 0 ? { condition: 's = :s', values: {} } : behind(after);
  do {
    const request = new QueryCommand({
      TableName: table,
      KeyConditionExpression: range.condition,
      ExpressionAttributeValues: { ':s': { S: stream }, ...range.values },
      ConsistentRead: true,
      ExclusiveStartKey: start,
    });
    const send = () => client.send(request, requestOptions(signal));
    const found = await once(connection, signal, () => patiently(connection, signal, send));
    // The service goes past a megabyte by its last item.
    for (let rest = (found.Items ?? []).filter(({ v }) => v?.N !== '0').map(toEntry); rest.length > 0; ) {
      const page = [...withinPage(rest)];
      yield page;
      rest = rest.slice(page.length);
    }
    start = found.LastEvaluatedKey;
  } while (start);
}

async function removeStray(
  { client, table }: Table,
  stream: string,
  stray: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = new DeleteItemCommand({ TableName: table, Key: keyOf(stream, stray) });
  await patiently({ table }, signal, () => client.send(request, requestOptions(signal)));
}

/**
 * What an operator's credentials can do to a stream: needs GetItem, Query, UpdateItem, BatchWriteItem, PutItem and DeleteItem. What
 * the connection has seen of a stream is forgotten before the stream is changed.
 */
export function createMaintenance(connection: DynamoDbConnection): LogMaintenance {
  const { heads } = connection;
  return {
    async trim(stream, first, { signal } = {}) {
      checkRead(first, 1);
      heads.forget(stream);
      await once(connection, signal, () => trim(connection, stream, first, signal));
    },
    async replace(stream, position, options) {
      checkReplace(stream, position, options.bytes);
      heads.forget(stream);
      await once(connection, options.signal, () => replace(connection, stream, position, options));
    },
    async first(stream, { signal } = {}) {
      const read = () => readFirst(connection, stream, signal);
      const { first } = await once(connection, signal, () => patiently(connection, signal, read));
      return first;
    },
    async correctFirst(stream, first, { dryRun = false, signal } = {}) {
      checkRead(first, 1);
      heads.forget(stream);
      return once(connection, signal, () => correctFirst(connection, stream, first, { dryRun, signal }));
    },
    inspect(stream, after, { signal } = {}) {
      checkRead(after, 1);
      return inspect(connection, stream, after, signal);
    },
    async removeStray(stream, stray, { signal } = {}) {
      // At 0 is the stream's own item.
      if (stray === '0' || !('stray' in toEntry(keyOf(stream, stray)))) throw new TypeError(`${stray} is not a stray`);
      await once(connection, signal, () => removeStray(connection, stream, stray, signal));
    },
  };
}
