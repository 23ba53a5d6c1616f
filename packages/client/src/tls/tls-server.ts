/** The parts of a TLS server that depend on certificates: server names, ticket keys, resumed sessions. */
import { createSecureContext, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { cleanLine, normalizeServerName } from '@certbus/events';
import { ClientError } from '../errors.ts';
import type { ContextCache } from './context-cache.ts';

/** What Node's TLS server calls with a server name. */
export type SniCallback = (
  serverName: string,
  callback: (error: Error | null, context?: SecureContext) => void,
) => void;

/** Longest name in DNS; what is longer is cut before it is shown. */
const MAX_SHOWN = 255;
const TICKET_KEY_BYTES = 48;

/**
 * Makes the callback. A name that no certificate covers gets an empty context, which Node answers with `handshake_failure`; with
 * a default certificate an error, which Node answers with a reset, since an empty context would show the default's.
 */
export function createSniCallback({
  contexts,
  onMissing,
  hasDefault,
}: {
  readonly contexts: Pick<ContextCache, 'peek' | 'get'>;
  readonly onMissing: (serverName: string) => void;
  /** Whether a server may show a default certificate. */
  readonly hasDefault: () => boolean;
}): SniCallback {
  const empty = createSecureContext();
  const refuse = (typed: string, callback: Parameters<SniCallback>[1]) => {
    const shown = cleanLine(typed.slice(0, MAX_SHOWN));
    onMissing(shown);
    if (!hasDefault()) return callback(null, empty);
    callback(new ClientError('CERTBUS_CLIENT_NAME_UNKNOWN', `No certificate covers ${JSON.stringify(shown)}.`));
  };
  return (typed, callback) => {
    const serverName = normalizeServerName(typed);
    if (!serverName) return refuse(typed, callback);
    const there = contexts.peek(serverName);
    if (there) return callback(null, there);
    contexts.get(serverName).then(
      (context) => (context ? callback(null, context) : refuse(serverName, callback)),
      (error: Error) => callback(error),
    );
  };
}

/** A server's ticket keys, replaced: whatever session was resumable does a full handshake next. */
export function rotateTicketKeys(server: Server): void {
  server.setTicketKeys(Buffer.from(crypto.getRandomValues(new Uint8Array(TICKET_KEY_BYTES))));
}

/** Ends resumed connections whose name is not covered any more: on resumption no callback is asked. */
export function guardResumption(server: Server, isCovered: (serverName: string) => boolean): void {
  server.on('secureConnection', (socket: TLSSocket & { servername?: string | false }) => {
    if (!socket.isSessionReused() || !socket.servername) return;
    const serverName = normalizeServerName(socket.servername);
    if (!serverName || !isCovered(serverName)) socket.destroy();
  });
}
