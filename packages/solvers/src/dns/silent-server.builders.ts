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
  // A port that is free for TCP may be taken for UDP.
  for (let tries = 1; ; tries += 1) {
    try {
      return await startOnce();
    } catch (error) {
      if (tries === 20) throw error;
    }
  }
}

async function startOnce(): Promise<SilentServer> {
  const connections = new Set<Socket>();
  const server = createServer((socket) => {
    connections.add(socket);
    socket.on('error', () => {}).on('close', () => connections.delete(socket));
    socket.resume();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const bound = server.address();
  const port = typeof bound === 'object' && bound ? bound.port : 0;
  const closeServer = () => new Promise((resolve) => server.close(resolve));
  const datagrams = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => {
      datagrams.once('error', reject).bind(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await closeServer();
    throw error;
  }
  return {
    address: `127.0.0.1:${port}`,
    port,
    async stop() {
      for (const socket of connections) socket.destroy();
      await Promise.all([closeServer(), new Promise<void>((resolve) => datagrams.close(resolve))]);
    },
  };
}
