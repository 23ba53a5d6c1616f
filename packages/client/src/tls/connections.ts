/** Sees a server's connections before TLS does. */
import type { Socket } from 'node:net';
import type { Server } from 'node:tls';

/**
 * Lets `first` have each new connection before a TLS server's own work begins; `passOn` gives it to the server, at once or later.
 * The last one to be put in front sees a connection first.
 */
export function putInFront(server: Server, first: (socket: Socket, passOn: () => void) => void): void {
  const own = server.rawListeners('connection');
  server.removeAllListeners('connection');
  server.on('connection', (socket: Socket) => {
    first(socket, () => {
      for (const listener of own) listener.call(server, socket);
    });
  });
}
