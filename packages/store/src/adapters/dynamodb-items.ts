import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { StoreError } from '../errors.ts';
import type { StoredCommit } from '../log.ts';

/**
 * An item of the table: `s` stream, `v` position, and `d` the commit's bytes. A trimmed position keeps an item without `d`, so
 * that an append, however late, still finds it taken. At `v` 0 lies the stream's own item: `f`, the first position that was not
 * trimmed.
 */
export type Item = Record<string, AttributeValue>;

/** The key of a position. */
export function keyOf(stream: string, position: number): Item {
  return { s: { S: stream }, v: { N: String(position) } };
}

/** A commit as an item. */
export function toItem(stream: string, position: number, bytes: Uint8Array): Item {
  return { ...keyOf(stream, position), d: { B: bytes } };
}

/** What an item holds; `undefined` where it was trimmed. Throws `CERTBUS_STORE_DAMAGED`. */
export function toCommit(item: Item): StoredCommit | undefined {
  const position = Number(item['v']?.N);
  const bytes = item['d']?.B;
  if (Number.isSafeInteger(position) && bytes) return { position, bytes };
  if (Number.isSafeInteger(position) && !item['d']) return undefined;
  throw new StoreError(
    'CERTBUS_STORE_DAMAGED',
    `An item of the table is no commit (position ${item['v']?.N ?? 'unknown'}).`,
  );
}
