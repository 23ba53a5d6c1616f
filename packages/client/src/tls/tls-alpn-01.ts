/** Answers TLS-ALPN-01 on a server's own port. */
import type { Socket } from 'node:net';
import { type SecureContext, type Server, TLSSocket } from 'node:tls';
import { normalizeServerName } from '@certbus/events';
import type { Challenges } from './challenges.ts';
import type { ClientHello } from './client-hello.ts';
import { putInFront } from './connections.ts';
import { peekHello } from './hello-peek.ts';

const PROTOCOL = 'acme-tls/1';
const TIMEOUT_MS = 10_000;
/** A fatal alert, unrecognized_name (RFC 8446 §6, RFC 6066 §3). */
const UNRECOGNIZED_NAME = Buffer.from([0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x70]);

/** RFC 8737 §3: a CA offers this protocol alone. */
const isForChallenge = (hello: ClientHello | undefined): hello is ClientHello =>
  hello?.protocols.length === 1 && hello.protocols[0] === PROTOCOL;

/** Ends a connection after a time, whatever still comes on it: with a byte now and then a stranger would hold it open without an end. */
function endInTime(socket: Socket): void {
  const timer = setTimeout(() => socket.destroy(), TIMEOUT_MS);
  socket.once('close', () => clearTimeout(timer));
}

/** Shows a challenge's certificate to a CA; nothing else is ever said on such a connection. */
function show(socket: Socket, secureContext: SecureContext): void {
  const tls = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: [PROTOCOL] });
  tls.on('error', () => {});
  endInTime(tls);
  tls.resume();
}

/** Ends a connection that asks for what is not here. */
export function refuse(socket: Socket): void {
  socket.on('error', () => {});
  endInTime(socket);
  socket.end(UNRECOGNIZED_NAME);
  socket.resume();
}

/**
 * Answers TLS-ALPN-01 (RFC 8737) on a new connection: a handshake for `acme-tls/1` alone gets the challenge's certificate, or an alert
 * where its name has no challenge. `passOn` gets every other connection as it came. While there is no challenge, nothing is looked at.
 */
export function answerConnection(socket: Socket, challenges: Challenges, passOn: () => void): void {
  if (challenges.isEmpty) {
    passOn();
    return;
  }
  peekHello(socket, (hello) => {
    if (!isForChallenge(hello)) return passOn();
    const name = normalizeServerName(hello.serverName ?? '');
    const context = name && challenges.contextFor(name);
    if (context) show(socket, context);
    else refuse(socket);
  });
}

/** Answers TLS-ALPN-01 beside a server's own work: what a new connection says first is looked at before the server sees it. */
export const answerTlsAlpn01 = (server: Server, challenges: Challenges): void =>
  putInFront(server, (socket, passOn) => answerConnection(socket, challenges, passOn));
