/** Looks at a connection's ClientHello and gives it back. */
import type { Socket } from 'node:net';
import { type ClientHello, createHelloReader } from './client-hello.ts';

/** More than any ClientHello of a client that gets through. */
const MAX_BYTES = 65_536;
const TIMEOUT_MS = 10_000;

/** What connections began with that were looked at. */
const looked = new WeakMap<object, { readonly hello: ClientHello | undefined }>();

/** The ClientHello of the connection under a TLS socket, if it was looked at. That `_parent` is that connection is not documented. */
export function helloOf(tlsSocket: unknown): ClientHello | undefined {
  const { _parent } = tlsSocket as { readonly _parent?: object | null };
  return _parent ? looked.get(_parent)?.hello : undefined;
}

/**
 * Looks at what a new connection begins with, and gives the bytes back. `use` is called once, with `undefined` for whatever is no
 * ClientHello or does not come in time; it is not called where the connection ends first. A connection is read once, however often it is
 * looked at. Where `use` throws, the connection is destroyed.
 */
export function peekHello(socket: Socket, use: (hello: ClientHello | undefined) => void): void {
  const known = looked.get(socket);
  if (known) {
    use(known.hello);
    return;
  }
  const reader = createHelloReader();
  const chunks: Buffer[] = [];
  let length = 0;
  const ignore = () => {};

  function finish(hello: ClientHello | undefined): void {
    stop();
    if (socket.destroyed) return;
    looked.set(socket, { hello });
    if (length > 0) socket.unshift(Buffer.concat(chunks, length));
    try {
      use(hello);
    } catch {
      // A single connection ends: thrown from here, it would be the whole process.
      socket.destroy();
    }
  }
  function read(): void {
    for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
      chunks.push(chunk);
      length += chunk.length;
      const hello = reader.push(chunk);
      if (hello === 'incomplete' && length < MAX_BYTES) continue;
      finish(hello === 'incomplete' ? undefined : hello);
      return;
    }
  }
  function end(): void {
    stop();
    socket.destroy();
  }
  function stop(): void {
    clearTimeout(timer);
    socket.off('readable', read).off('end', end).off('close', stop).off('error', ignore);
  }

  const timer = setTimeout(() => finish(undefined), TIMEOUT_MS);
  socket.on('readable', read).on('end', end).on('close', stop).on('error', ignore);
}
