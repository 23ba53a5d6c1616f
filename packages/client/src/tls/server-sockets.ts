/** Tells a server's own TLS sockets from other callers. */
import { type Server, TLSSocket } from 'node:tls';

/** The server that accepted a TLS socket, which is not documented; `undefined` for whatever is not such a socket. */
export function serverOf(caller: unknown): Server | undefined {
  return caller instanceof TLSSocket ? (caller as TLSSocket & { readonly server?: Server }).server : undefined;
}
