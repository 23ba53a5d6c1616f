/** The parts of a TLS server that depend on certificates: server names, resumed sessions. */
import { createSecureContext, type SecureContext, type Server, type TLSSocket } from 'node:tls';
import { cleanLine, normalizeServerName } from '@certbus/events';
import { ClientError } from '../errors.ts';
import type { ClientAbility } from './client-ability.ts';
import { type CertificateContext, handOut } from './contexts.ts';
import { helloOf } from './hello-peek.ts';
import type { NameMap } from './name-map.ts';
import { textOfSentName } from './sent-name.ts';
import { showsByItself } from './server-settings.ts';

/** What Node's TLS server calls with a server name. */
export type SniCallback = (
  serverName: string,
  callback: (error: Error | null, context?: SecureContext) => void,
) => void;

/** Longest name in DNS; what is longer is cut before it is shown. */
const MAX_SHOWN = 255;

/**
 * Makes the callback. A name that no certificate covers gets an empty context, which Node answers with `handshake_failure`; where the server has
 * a default certificate, or one of its own, an error, which Node answers with a reset, since an empty context would show that one.
 */
export function createSniCallback({
  namesOf,
  serverOf,
  abilityOf,
  onKeyTypeUnused,
  onMissing,
  hasDefault,
}: {
  /** What answers the names of a server, or of another caller. */
  readonly namesOf: (server: Server | undefined) => Pick<NameMap, 'peek' | 'find'>;
  /** The server that a callback was called by; `undefined` where it was called by other code than Node's. */
  readonly serverOf: (caller: unknown) => Server | undefined;
  /** What the client of a connection can use; `undefined` where the server was not attached. */
  readonly abilityOf: (caller: unknown) => ClientAbility | undefined;
  /** Called where a name has several key types and nothing is known of the client. */
  readonly onKeyTypeUnused: (serverName: string, shown: CertificateContext) => void;
  readonly onMissing: (serverName: string) => void;
  /** Whether a server may show a default certificate. */
  readonly hasDefault: () => boolean;
}): SniCallback {
  const empty = createSecureContext();

  /**
   * The context as a server, or another caller, may have it. Node's TLS has copied the certificate when the callback returns, unless the server answers OCSP itself,
   * which it may do later. Everybody else may hold it for any time.
   */
  function contextFor(server: Server | undefined, made: CertificateContext): SecureContext {
    return server && server.listenerCount('OCSPRequest') === 0 ? made.context : handOut(made);
  }

  function refuse(server: Server | undefined, typed: string, callback: Parameters<SniCallback>[1]): void {
    const shown = cleanLine(typed.slice(0, MAX_SHOWN));
    if (hasDefault() || (server && showsByItself(server)))
      callback(new ClientError('CERTBUS_CLIENT_NAME_UNKNOWN', `No certificate covers ${JSON.stringify(shown)}.`));
    else callback(null, empty);
    onMissing(shown);
  }

  /** For what the map does not have, or has for some clients only. */
  function search(caller: unknown, typed: string, callback: Parameters<SniCallback>[1]): void {
    const server = serverOf(caller);
    const text = server ? textOfSentName(typed) : typed;
    const serverName = normalizeServerName(text);
    if (!serverName) {
      refuse(server, text, callback);
      return;
    }
    let isUnknown = false;
    const answer = (made: CertificateContext | undefined) => {
      if (made) callback(null, contextFor(server, made));
      else refuse(server, serverName, callback);
      if (made && isUnknown) onKeyTypeUnused(serverName, made);
    };
    const ability = () => {
      const client = abilityOf(caller);
      isUnknown = client === undefined;
      return client;
    };
    let found: ReturnType<NameMap['find']>;
    try {
      found = namesOf(server).find(serverName, ability);
    } catch (error) {
      callback(error as Error);
      return;
    }
    if (found instanceof Promise) found.then(answer, callback);
    else answer(found);
  }

  return function sniCallback(this: unknown, typed, callback) {
    const server = serverOf(this);
    const there = namesOf(server).peek(typed);
    if (there) callback(null, contextFor(server, there));
    else search(this, typed, callback);
  };
}

/**
 * Ends resumed connections whose name is not covered any more: on resumption no callback is asked. In TLS 1.2 Node does not know the name then, so
 * that it is that of the ClientHello, where this was looked at.
 */
export function guardResumption(server: Server, isCovered: (serverName: string) => boolean): void {
  server.on('secureConnection', (socket: TLSSocket & { servername?: string | false }) => {
    if (!socket.isSessionReused()) return;
    const typed = socket.servername || helloOf(socket)?.serverName;
    if (!typed) return;
    const serverName = normalizeServerName(textOfSentName(typed));
    if (!serverName || !isCovered(serverName)) socket.destroy();
  });
}
