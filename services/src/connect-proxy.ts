/** A forward proxy on loopback. */
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect, type Socket } from 'node:net';

/** A proxy on loopback that knows `CONNECT` only. */
export interface ConnectProxy extends AsyncDisposable {
  readonly url: string;
  /** `HOST:PORT` of every tunnel that was asked for. */
  readonly tunnels: string[];
}

/** How it behaves: a tunnel, a refusal with this status, or silence. */
export type ProxyVerdict = 'tunnel' | 'stall' | number;

/** Starts one. */
export async function startConnectProxy(
  judge: (request: IncomingMessage) => ProxyVerdict = () => 'tunnel',
): Promise<ConnectProxy> {
  const tunnels: string[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('close', () => sockets.delete(socket));
  };

  const server = createServer((_, response) => void response.writeHead(405).end());
  server.on('connect', (request: IncomingMessage, client: Socket) => {
    keep(client);
    tunnels.push(request.url ?? '');
    const verdict = judge(request);
    if (verdict === 'stall') return;
    if (verdict !== 'tunnel') {
      client.end(`HTTP/1.1 ${verdict} No\r\n\r\n`);
      return;
    }
    const { hostname, port } = new URL(`http://${request.url}`);
    const target = connect(Number(port), hostname, () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n');
      target.pipe(client).pipe(target);
    });
    keep(target);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    tunnels,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
