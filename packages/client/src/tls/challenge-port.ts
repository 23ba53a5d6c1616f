/** Entry: answers TLS-ALPN-01 on connections that a balancer routes to this process. */
import type { Socket } from 'node:net';
import { createSecureContext } from 'node:tls';
import type { Challenge } from '@certbus/events/history';
import { createChallenges } from './challenges.ts';
import { answerConnection, refuse } from './tls-alpn-01.ts';

/** Where challenges are announced, such as what `openMaterial` gives. */
export interface Announcing {
  challenges(): readonly Challenge[];
  on(event: 'moved', listener: () => void): unknown;
}

/**
 * Makes what answers a connection of a server of `node:net`: it shows a CA's TLS-ALPN-01 handshake (RFC 8737) the certificate of its
 * challenge, and ends every other connection with a TLS alert. Never throws.
 */
export function answerTlsAlpn01Connections(
  source: Announcing,
  { now = () => new Date() }: { readonly now?: () => Date } = {},
): (socket: Socket) => void {
  const challenges = createChallenges({ build: createSecureContext, now });
  const refresh = () => challenges.refresh(source.challenges());
  refresh();
  source.on('moved', refresh);
  return (socket) => answerConnection(socket, challenges, () => refuse(socket));
}
