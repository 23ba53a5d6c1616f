/** Ends a server without breaking off what it is answering. */
import { once } from 'node:events';
import type { Server as HttpServer } from 'node:http';
import type { Http2SecureServer, ServerHttp2Session } from 'node:http2';
import type { Socket } from 'node:net';

/** How long an HTTP/1.1 connection can outlive its last response. */
const LOOK_EVERY_MS = 50;

/**
 * Watches the connections of a server, from before it listens. What is returned ends it: no connection is accepted any more, each
 * open one ends with the response that is under way, and those that are left after `withinMs` are cut.
 */
export function watchConnections(server: HttpServer | Http2SecureServer): (withinMs: number) => Promise<void> {
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  server.on('connection', (socket: Socket) => sockets.add(socket.once('close', () => sockets.delete(socket))));
  server.on('session', (session: ServerHttp2Session) => {
    sessions.add(session);
    session.once('close', () => sessions.delete(session));
  });
  return async (withinMs) => {
    if (!server.listening) return;
    const closed = once(server, 'close');
    server.close();
    // Node 22 leaves them open.
    for (const session of sessions) session.close();
    const idle = setInterval(() => endIdle(server), LOOK_EVERY_MS);
    const cut = setTimeout(() => {
      for (const socket of sockets) socket.destroy();
    }, withinMs);
    await closed;
    clearInterval(idle);
    clearTimeout(cut);
  };
}

/** Ends HTTP/1.1 connections that wait for their next request; an HTTP/2 server that allows HTTP/1.1 has this as well. */
function endIdle(server: HttpServer | Http2SecureServer): void {
  if ('closeIdleConnections' in server) server.closeIdleConnections();
}
