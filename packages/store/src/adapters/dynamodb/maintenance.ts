import {
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  UpdateItemCommand,
  type WriteRequest,
} from '@aws-sdk/client-dynamodb';
import { VersionConflictError } from '../../errors.ts';
import type { LogEntry, LogMaintenance } from '../../log.ts';
import { checkRead, checkReplace } from '../checks.ts';
import { wrapDynamoDbError } from './errors.ts';
import { type Item, keyOf, toEntry, toItem } from './items.ts';
import { pause } from './pause.ts';

/** As many items as one batch takes. */
const BATCH = 25;

interface Place {
  readonly client: DynamoDBClient;
  readonly table: string;
}

const send = (signal: AbortSignal | undefined) => (signal ? { abortSignal: signal } : {});

/** The first position that was not trimmed, and how far the trimming got; a strong read. */
export async function readFirst(
  { client, table }: Place,
  stream: string,
  signal: AbortSignal | undefined,
): Promise<{ first: number; done: number }> {
  const request = new GetItemCommand({ TableName: table, Key: keyOf(stream, 0), ConsistentRead: true });
  const { Item } = await client.send(request, send(signal));
  return { first: Number(Item?.['f']?.N ?? 1), done: Number(Item?.['g']?.N ?? 0) };
}

async function mark(place: Place, stream: string, name: 'f' | 'g', value: number, signal?: AbortSignal): Promise<void> {
  const request = new UpdateItemCommand({
    TableName: place.table,
    Key: keyOf(stream, 0),
    UpdateExpression: 'SET #n = :n',
    // Another trim may have gone further.
    ConditionExpression: 'attribute_not_exists(#n) OR #n < :n',
    ExpressionAttributeNames: { '#n': name },
    ExpressionAttributeValues: { ':n': { N: String(value) } },
  });
  await place.client.send(request, send(signal)).catch((error: unknown) => {
    if (!(error instanceof ConditionalCheckFailedException)) throw error;
  });
}

async function empty({ client, table }: Place, stream: string, positions: readonly number[], signal?: AbortSignal) {
  let requests: WriteRequest[] = positions.map((position) => ({ PutRequest: { Item: keyOf(stream, position) } }));
  for (let attempt = 1; requests.length > 0; attempt += 1) {
    const request = new BatchWriteItemCommand({ RequestItems: { [table]: requests } });
    const { UnprocessedItems } = await client.send(request, send(signal));
    requests = UnprocessedItems?.[table] ?? [];
    if (requests.length > 0) await pause(attempt, signal);
  }
}

/** What an operator's credentials can do to a stream, told to `onChange` before it is done: needs GetItem, Query, UpdateItem, BatchWriteItem, PutItem and DeleteItem. */
export function createMaintenance(place: Place, onChange: (stream: string) => void): LogMaintenance {
  const { client, table } = place;

  async function trim(stream: string, first: number, signal: AbortSignal | undefined): Promise<void> {
    const kept = await client.send(
      new GetItemCommand({ TableName: table, Key: keyOf(stream, first), ConsistentRead: true }),
      send(signal),
    );
    const { done } = await readFirst(place, stream, signal);
    if (done + 1 >= first) return;
    if (!kept.Item?.['d']) throw new VersionConflictError(stream, first);
    await mark(place, stream, 'f', first, signal);
    for (let position = done + 1; position < first; position += BATCH) {
      const count = Math.min(BATCH, first - position);
      const positions = Array.from({ length: count }, (_, n) => position + n);
      await empty(place, stream, positions, signal);
      if ((position - done) % (BATCH * 40) === 1) await mark(place, stream, 'g', position, signal);
    }
    await mark(place, stream, 'g', first - 1, signal);
  }

  /** The item at position 0 as trims leave it: `f` says where the stream begins, `g` how far the one before it got. */
  async function correctFirst(stream: string, first: number, dryRun: boolean, signal: AbortSignal | undefined) {
    const Key = keyOf(stream, 0);
    const get = new GetItemCommand({ TableName: table, Key, ConsistentRead: true });
    const { Item } = await client.send(get, send(signal));
    const { f, g } = Item ?? {};
    const saysFirst = f === undefined ? first === 1 : f.N === String(first);
    const isDone = g === undefined || (g.N !== undefined && Number(g.N) < first);
    if (saysFirst && isDone) return false;
    if (dryRun) return true;
    // Without `g` the next trim goes over everything before it again: nobody knows how far the ones before really got.
    const mended = first > 1 ? { ...Key, f: { N: String(first) } } : Key;
    await client.send(new PutItemCommand({ TableName: table, Item: mended }), send(signal));
    return true;
  }

  /** Whether the bytes were found and put, or were there already. */
  async function swap(
    stream: string,
    position: number,
    found: Uint8Array | undefined,
    bytes: Uint8Array | undefined,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const condition = {
      TableName: table,
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD' as const,
      ...(found
        ? { ConditionExpression: 'd = :found', ExpressionAttributeValues: { ':found': { B: found } } }
        : {
            // A trimmed position, or anything else that somebody put there and that is no commit.
            ConditionExpression: 'attribute_not_exists(d) OR NOT attribute_type(d, :binary)',
            ExpressionAttributeValues: { ':binary': { S: 'B' } },
          }),
    };
    const request = bytes
      ? new PutItemCommand({ ...condition, Item: toItem(stream, position, bytes) })
      : new DeleteItemCommand({ ...condition, Key: keyOf(stream, position) });
    try {
      await client.send(request as PutItemCommand, send(signal));
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
      const there = error.Item?.['d']?.B;
      const isDone = there && bytes ? Buffer.compare(there, bytes) === 0 : !bytes && !error.Item;
      if (!isDone) throw new VersionConflictError(stream, position, there);
    }
  }

  async function* inspect(
    stream: string,
    after: number,
    signal: AbortSignal | undefined,
  ): AsyncIterable<readonly LogEntry[]> {
    let start: Item | undefined;
    do {
      const request = new QueryCommand({
        TableName: table,
        KeyConditionExpression: 's = :s AND v > :v',
        ExpressionAttributeValues: { ':s': { S: stream }, ':v': { N: String(after) } },
        ConsistentRead: true,
        ExclusiveStartKey: start,
      });
      const { Items = [], LastEvaluatedKey } = await wrapped(() => client.send(request, send(signal)), signal);
      yield Items.map(toEntry);
      start = LastEvaluatedKey;
    } while (start);
  }

  const wrapped = async <T>(work: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      signal?.throwIfAborted();
      throw wrapDynamoDbError(table, error);
    }
  };
  return {
    async trim(stream, first, { signal } = {}) {
      checkRead(first, 1);
      onChange(stream);
      await wrapped(() => trim(stream, first, signal), signal);
    },
    async replace(stream, position, { found, bytes, signal }) {
      checkReplace(stream, position, bytes);
      onChange(stream);
      await wrapped(() => swap(stream, position, found, bytes, signal), signal);
    },
    first: async (stream, { signal } = {}) => (await wrapped(() => readFirst(place, stream, signal), signal)).first,
    async correctFirst(stream, first, { dryRun = false, signal } = {}) {
      checkRead(first, 1);
      onChange(stream);
      return wrapped(() => correctFirst(stream, first, dryRun, signal), signal);
    },
    inspect(stream, after, { signal } = {}) {
      checkRead(after, 1);
      return inspect(stream, after, signal);
    },
    async removeStray(stream, stray, { signal } = {}) {
      const Key = keyOf(stream, stray);
      if (!('stray' in toEntry(Key))) throw new TypeError(`${stray} is a position`);
      const request = new DeleteItemCommand({ TableName: table, Key });
      await wrapped(() => client.send(request, send(signal)), signal);
    },
  };
}
