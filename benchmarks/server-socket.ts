import { PassThrough } from 'node:stream';
import { createServer, TLSSocket } from 'node:tls';

/** A server's side of a connection, as Node's TLS calls a callback by: no bytes ever come. */
export function serverSocket(): TLSSocket {
  const options = { isServer: true, server: createServer() };
  const socket = new TLSSocket(new PassThrough() as never, options);
  // Node sets it for the sockets that its own servers accept.
  return Object.assign(socket, { server: options.server });
}
