/** Puts what no append writes into a table, as somebody could who can write to it. */
import { type AttributeValue, type DynamoDBClient, PutItemCommand } from '@aws-sdk/client-dynamodb';
import { MAX_COMMIT_BYTES } from '../../log.ts';

const forged: AttributeValue = { B: Buffer.from('forged') };

/** The position and the commit of an item, each kind with one that is not what an append writes. */
const KINDS: Readonly<Record<string, (position: number) => { readonly v: string; readonly d?: AttributeValue }>> = {
  'a position of 2^53': () => ({ v: '9007199254740992', d: forged }),
  'a position of 38 digits': () => ({ v: '9'.repeat(38), d: forged }),
  'a negative position': (position) => ({ v: `-${position}`, d: forged }),
  'a position between two': (position) => ({ v: `${position}.5`, d: forged }),
  'a commit in text': (position) => ({ v: `${position}`, d: { S: 'forged' } }),
  'a number for a commit': (position) => ({ v: `${position}`, d: { N: '1' } }),
  'null for a commit': (position) => ({ v: `${position}`, d: { NULL: true } }),
  'no commit': (position) => ({ v: `${position}` }),
  'a commit over the limit': (position) => ({ v: `${position}`, d: { B: new Uint8Array(MAX_COMMIT_BYTES + 1) } }),
};

/** What {@link putBadItem} can put. */
export const BAD_ITEMS: readonly string[] = Object.keys(KINDS);

/** Puts an item of a kind into a stream, at a position, in the place of what is there, or as near to it as it can be. */
export async function putBadItem(
  { client, table }: { readonly client: DynamoDBClient; readonly table: string },
  kind: string,
  stream: string,
  position: number,
): Promise<void> {
  const { v, d } = KINDS[kind]?.(position) ?? { v: `${position}` };
  const Item = { s: { S: stream }, v: { N: v }, ...(d ? { d } : {}) };
  await client.send(new PutItemCommand({ TableName: table, Item }));
}
