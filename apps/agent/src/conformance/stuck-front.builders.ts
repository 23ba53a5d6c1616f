/** A server in front of a balancer that is stuck at some names, as one whose old process still answers there. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net';
import { createSecureContext, createServer, type SecureContext } from 'node:tls';
import type { TestCertificate } from '@certbus/client/testing';
import { onTestFinished } from 'vitest';

/** The server, and what it is stuck at. */
export interface StuckFront {
  /** Where it takes TLS, `HOST:PORT`. */
  readonly address: string;
  /** Shows this certificate for a name from now on, whatever the balancer has. */
  stickTo(name: string, certificate: TestCertificate): void;
  /** Shows what the balancer shows, for all names. */
  release(): void;
}

/** Opens a server in front of a port of 127.0.0.1; it ends with the test. */
export async function startFront(port: number): Promise<StuckFront> {
  const stuck = new Map<string, SecureContext>();
  const own = createServer({ SNICallback: (name, done) => done(null, stuck.get(name)) });
  own.on('tlsClientError', () => {});
  const server = createTcpServer((client) => {
    client.on('error', () => {});
    client.once('data', (hello) => {
      client.pause();
      client.unshift(hello);
      // The server name is in the clear there.
      if ([...stuck.keys()].some((name) => hello.includes(name))) return void own.emit('connection', client);
      const upstream = connect(port, '127.0.0.1');
      upstream.on('error', () => {}).on('close', () => client.destroy());
      client.on('close', () => upstream.destroy());
      client.pipe(upstream).pipe(client);
    });
  }).listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await once(server, 'listening');
  return {
    address: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    stickTo(name, { certificate: cert, privateKey: key }) {
      stuck.set(name, createSecureContext({ cert, key }));
    },
    release: () => stuck.clear(),
  };
}
