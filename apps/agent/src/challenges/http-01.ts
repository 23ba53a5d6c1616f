/** Answers HTTP-01 challenges on a port or socket that the balancer sends them to. */
import { answerHttp01, type MaterialSource } from '@certbus/client/material';
import { type ChallengeServer, listenAt, type Place } from './listen.ts';

/**
 * Starts to answer `GET /.well-known/acme-challenge/TOKEN` with what the bus announced, and everything else with 404.
 *
 * Rejects `CERTBUS_AGENT_CONFIG_INVALID` where that cannot be listened on.
 */
export async function startHttp01(
  place: Place,
  source: Pick<MaterialSource, 'keyAuthorization'>,
): Promise<ChallengeServer> {
  // An import would take 17 MB, also where nothing is answered.
  const { createServer } = process.getBuiltinModule('node:http');
  const server = createServer((request, response) => {
    if (answerHttp01(request, response, (token) => source.keyAuthorization(token))) return;
    response.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('not a challenge of this bus\n');
  });
  server.requestTimeout = 10_000;
  return listenAt(server, place, { challenge: 'HTTP-01', field: 'http01' });
}
