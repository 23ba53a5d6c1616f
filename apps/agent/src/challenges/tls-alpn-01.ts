/** Answers TLS-ALPN-01 challenges on a port or socket that the balancer routes them to. */
import { createServer } from 'node:net';
import type { MaterialSource } from '@certbus/client/material';
import { answerTlsAlpn01Connections } from '@certbus/client/tls-alpn-01';
import { type ChallengeServer, listenAt, type Place } from './listen.ts';

/**
 * Starts to answer the handshakes of a CA with the certificates of the challenges that the bus announced (RFC 8737), and every other
 * connection with an alert: the balancer routes connections for `acme-tls/1` here as they came.
 *
 * Rejects `CERTBUS_AGENT_CONFIG_INVALID` where that cannot be listened on.
 */
export async function startTlsAlpn01(
  place: Place,
  { source, now }: { readonly source: Pick<MaterialSource, 'challenges' | 'on'>; readonly now: () => Date },
): Promise<ChallengeServer> {
  const server = createServer(answerTlsAlpn01Connections(source, { now }));
  return listenAt(server, place, { challenge: 'TLS-ALPN-01', field: 'tlsAlpn01' });
}
