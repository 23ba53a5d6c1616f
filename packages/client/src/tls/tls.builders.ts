import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, connect as dial, type Server, type TLSSocket } from 'node:tls';
import type { CertBus } from '../cert-bus.ts';

export interface TlsServer {
  readonly port: number;
  readonly server: Server;
  close(): Promise<void>;
}

/** A TLS server that says one word to each client that completes the handshake. */
export async function startTlsServer(client: CertBus): Promise<TlsServer> {
  const server = client.attach(createServer(client.tlsOptions()));
  const sockets = new Set<TLSSocket>();
  server.on('secureConnection', (socket) => {
    sockets.add(socket.on('error', () => {}).on('close', () => sockets.delete(socket)));
    socket.write('hello');
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    server,
    async close() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

export interface Handshake {
  readonly serialNumber: string;
  readonly authorized: boolean;
  readonly reused: boolean;
  readonly session: Buffer | undefined;
}

/** One handshake, ended once the server has said its word. Rejects with the TLS error. */
export function shakeHands(
  port: number,
  servername: string,
  {
    ca,
    session,
    maxVersion = 'TLSv1.3',
    insecure = session !== undefined,
  }: {
    ca: string;
    session?: Buffer;
    maxVersion?: 'TLSv1.2' | 'TLSv1.3';
    /** Takes any certificate. */
    insecure?: boolean;
  },
): Promise<Handshake> {
  return new Promise((resolve, reject) => {
    const options = {
      host: '127.0.0.1',
      port,
      servername,
      ca,
      maxVersion,
      rejectUnauthorized: !insecure,
      ...(session ? { session } : {}),
    };
    const socket = dial(options);
    let last: Buffer | undefined;
    let isHeard = false;
    socket.on('session', (ticket) => {
      last = ticket;
    });
    socket.on('error', reject);
    socket.on('data', () => {
      isHeard = true;
      // The tickets of TLS 1.3 come behind the handshake.
      setTimeout(() => {
        const { serialNumber = '' } = socket.getPeerCertificate() ?? {};
        resolve({
          serialNumber,
          authorized: socket.authorized,
          reused: socket.isSessionReused(),
          session: last ?? socket.getSession(),
        });
        socket.destroy();
      }, 5);
    });
    socket.on('close', () => {
      if (!isHeard) reject(new Error('the connection was ended before anything was said'));
    });
  });
}
