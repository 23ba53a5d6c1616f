/** Looks at a connection's ClientHello and gives it back. */
import type { Socket } from 'node:net';
import { type ClientHello, createHelloReader } from './client-hello.ts';

/** More than any ClientHello of a client that gets through. */
const MAX_BYTES = 65_536;
const TIMEOUT_MS = 10_000;

/**
 * Looks at what a new connection begins with, and gives the bytes back. `use` is called once, with `undefined` for whatever is no
 * ClientHello or does not come in time; it is not called where the connection ends first.
 */
export function peekHello(socket: Socket, use: (hello: ClientHello | undefined) => void): void {
  const reader = createHelloReader();
  const chunks: Buffer[] = [];
  let length = 0;
  const ignore = () => {};

  function finish(hello: ClientHello | undefined): void {
    letGo();
    if (length > 0) socket.unshift(Buffer.concat(chunks, length));
    use(hello);
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
    letGo();
    socket.destroy();
  }
  function letGo(): void {
    clearTimeout(timer);
    socket.off('readable', read).off('end', end).off('close', letGo).off('error', ignore);
  }

  const timer = setTimeout(() => finish(undefined), TIMEOUT_MS);
  socket.on('readable', read).on('end', end).on('close', letGo).on('error', ignore);
}
