/** An HTTPS server that serves the certificates of a bus, as an example of the client. */
import { once } from 'node:events';
import { createServer as createHttpServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createSecureServer, type Http2ServerRequest, type Http2ServerResponse } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { type CertBus, type ConnectOptions, connect } from '@certbus/client';
import { watchConnections } from './drain.ts';

/** Where the server listens, and which bus it follows. */
export interface ExampleServerOptions
  extends Pick<ConnectOptions, 'bus' | 'identity' | 'trust' | 'archive' | 'stateDirectory' | 'intervalMs'> {
  /** Address to listen on; default `127.0.0.1`. */
  readonly host?: string;
  /** Port for HTTPS; default 8443, 0 for any. */
  readonly port?: number;
  /** Port for HTTP, where HTTP-01 challenges are answered; default 5002, 0 for any. */
  readonly httpPort?: number;
  /** How long requests that are under way have to finish when the server is closed, milliseconds; default 10,000. */
  readonly drainMs?: number;
  /** Takes a line about everything that happens; default silent. */
  readonly log?: (line: string) => void;
}

/** A server that is running. */
export interface ExampleServer {
  readonly port: number;
  readonly httpPort: number;
  readonly client: CertBus;
  /** Accepts no more connections, lets each open one finish its request, and stops following the bus. */
  close(): Promise<void>;
}

function greet(
  request: IncomingMessage | Http2ServerRequest,
  response: Pick<ServerResponse | Http2ServerResponse, 'setHeader' | 'end'>,
): void {
  const { servername } = request.socket as TLSSocket & { servername?: string };
  response.setHeader('content-type', 'text/plain; charset=utf-8');
  response.end(`Hello from CertBus. You asked ${servername || 'this server'} for ${request.url}\n`);
}

function logEvents(client: CertBus, log: (line: string) => void): void {
  client.on('changed', ({ certificateId, names, removed }) =>
    log(`${removed ? 'removed' : 'serving'} ${names.join(' ')} (${certificateId})`),
  );
  client.on('alarm', (error) => log(`alarm: ${error.message}`));
  client.on('missing', ({ serverName, leftOut }) =>
    log(
      `no certificate for ${JSON.stringify(serverName)}${leftOut > 0 ? `, nor for ${leftOut} handshakes before` : ''}`,
    ),
  );
  client.on('live', () => log(`caught up with the bus, at position ${client.health().position}`));
}

/**
 * Starts an HTTPS server, for HTTP/2 and HTTP/1.1, that serves the certificates of a bus and greets with the path asked for, next to an HTTP server
 * that answers HTTP-01 challenges. Rejects as `connect` of `@certbus/client`, and when a port is taken.
 */
export async function startExampleServer({
  host = '127.0.0.1',
  port = 8443,
  httpPort = 5002,
  drainMs = 10_000,
  log = () => {},
  ...options
}: ExampleServerOptions): Promise<ExampleServer> {
  const client = await connect(options);
  logEvents(client, log);
  const https = client.attach(createSecureServer(client.tlsOptions({ allowHTTP1: true }), greet));
  const http = createHttpServer((request, response) => {
    if (!client.acmeHttpHandler(request, response))
      response.writeHead(404).end('This port answers HTTP-01 challenges only.\n');
  });
  const drains = [https, http].map(watchConnections);
  async function close(): Promise<void> {
    await Promise.all(drains.map((drain) => drain(drainMs)));
    await client.close();
  }
  try {
    await Promise.all([once(https.listen(port, host), 'listening'), once(http.listen(httpPort, host), 'listening')]);
  } catch (error) {
    await close();
    throw error;
  }
  const portOf = (server: typeof http | typeof https) => (server.address() as AddressInfo).port;
  const { position, live } = client.health();
  log(`${live ? 'caught up with' : 'starting without'} the bus, at position ${position}`);
  log(`listening on https://${host}:${portOf(https)} and http://${host}:${portOf(http)}`);
  return { port: portOf(https), httpPort: portOf(http), client, close };
}
