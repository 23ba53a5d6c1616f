/** Commits as items of the table, and back. */
import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import { StoreError } from '../../errors.ts';
import { type LogEntry, MAX_COMMIT_BYTES, type StoredCommit } from '../../log.ts';

/**
 * An item of the table: `s` stream, `v` position, and `d` the commit's bytes. A trimmed position keeps an item without `d`, so
 * that an append, however late, still finds it taken. At `v` 0 is the stream's own item: `f`, the first position that was not
 * trimmed, and `g`, how far that trim got.
 */
export type Item = Record<string, AttributeValue>;

/** The key of a position. */
export function keyOf(stream: string, position: number | string): Item {
  return { s: { S: stream }, v: { N: String(position) } };
}

/** A commit as an item. */
export function toItem(stream: string, position: number, bytes: Uint8Array): Item {
  return { ...keyOf(stream, position), d: { B: bytes } };
}

/** The position of an item; `undefined` for any other number, also where JavaScript would round it to a position. */
function positionOf(item: Item): number | undefined {
  const text = item['v']?.N ?? '';
  const position = Number(text);
  return Number.isSafeInteger(position) && position > 0 && String(position) === text ? position : undefined;
}

/** An item as it is in the table, whatever it is. */
export function toEntry(item: Item): LogEntry {
  const position = positionOf(item);
  return position === undefined ? { stray: item['v']?.N ?? '' } : { position, bytes: item['d']?.B };
}

/** What an item holds; `undefined` where it was trimmed. Throws `CERTBUS_STORE_DAMAGED`. */
export function toCommit(item: Item): StoredCommit | undefined {
  const position = positionOf(item);
  const bytes = item['d']?.B;
  if (position !== undefined && bytes && bytes.length <= MAX_COMMIT_BYTES) return { position, bytes };
  if (position !== undefined && !item['d']) return undefined;
  throw new StoreError(
    'CERTBUS_STORE_DAMAGED',
    `An item of the table is not a commit (position ${item['v']?.N ?? 'unknown'}).`,
  );
}
