import { createSocket } from 'node:dgram';
import { createServer, type Socket } from 'node:net';

/** A server that takes datagrams and connections on one port and never says a word. */
export interface SilentServer {
  /** `ADDRESS:PORT`. */
  readonly address: string;
  readonly port: number;
  stop(): Promise<void>;
}

/** Starts one on loopback. */
export async function startSilentServer(): Promise<SilentServer> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => {}).on('close', () => connections.delete(socket));
    socket.resume();
  });
  const port = await new Promise<number>((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound ? bound.port : 0);
    });
  });
  const datagrams = createSocket('udp4');
  datagrams.on('message', () => {});
  await new Promise<void>((resolve) => datagrams.bind(port, '127.0.0.1', resolve));
  return {
    address: `127.0.0.1:${port}`,
    port,
    async stop() {
      for (const socket of connections) socket.destroy();
      await Promise.all([
        new Promise((resolve) => server.close(resolve)),
        new Promise<void>((resolve) => datagrams.close(resolve)),
      ]);
    },
  };
}
