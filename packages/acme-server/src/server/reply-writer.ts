/** Writes replies to HTTP. */
import type { ServerResponse } from 'node:http';
import type { Reply } from './exchange.ts';

/** What becomes of the body on its way. */
export type Delivery = 'whole' | 'truncated';

/** Bytes and type of a reply's body. */
function encode({ body, contentType }: Reply): { readonly bytes: Buffer; readonly type: string | undefined } {
  if (body === undefined) return { bytes: Buffer.alloc(0), type: undefined };
  if (typeof body === 'string') return { bytes: Buffer.from(body), type: contentType ?? 'text/plain' };
  return { bytes: Buffer.from(JSON.stringify(body)), type: contentType ?? 'application/json' };
}

/** Writes a reply. A truncated one says its full length and ends, with its connection, in the middle. */
export function writeReply(response: ServerResponse, reply: Reply, delivery: Delivery = 'whole'): void {
  const { bytes, type } = encode(reply);
  const headers = Object.entries(reply.headers ?? {}).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : [...value],
  ]);
  response.writeHead(reply.status, {
    ...Object.fromEntries(headers.filter(([, value]) => value?.length !== 0)),
    ...(type === undefined ? {} : { 'content-type': type }),
    ...(reply.status === 204 ? {} : { 'content-length': bytes.length }),
  });
  if (delivery === 'whole') {
    response.end(bytes);
    return;
  }
  response.write(bytes.subarray(0, Math.floor(bytes.length / 2)), () => response.destroy());
}
