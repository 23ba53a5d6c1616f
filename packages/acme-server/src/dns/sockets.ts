/** DNS over UDP and TCP, on one port. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, type Socket as Connection, createServer, type Server } from 'node:net';
import { decode, encode, type Packet, streamDecode, streamEncode, TRUNCATED_RESPONSE } from 'dns-packet';

/** UDP and TCP of a DNS server, on one port. */
export interface DnsSockets {
  readonly port: number;
  close(): Promise<void>;
}

/** Answers a query, or not. */
export type Responder = (query: Packet) => Packet | undefined;

const MAX_UDP = 512;
const ATTEMPTS = 20;

function udpSizeOf({ additionals = [] }: Packet): number {
  const option = additionals.find(({ type }) => type === 'OPT');
  return option && 'udpPayloadSize' in option ? Math.max(MAX_UDP, option.udpPayloadSize) : MAX_UDP;
}

/** What is too large for a datagram goes without answers, so that the client asks again over TCP. */
function encodeForUdp(answer: Packet, limit: number): Buffer {
  const whole = encode(answer);
  if (whole.length <= limit) return whole;
  const { answers: _, authorities: __, ...rest } = answer;
  return encode({ ...rest, flags: (rest.flags ?? 0) | TRUNCATED_RESPONSE });
}

function serveDatagrams(socket: Socket, respond: Responder): void {
  socket.on('message', (message, from) => {
    try {
      const query = decode(message);
      const answer = respond(query);
      if (answer) socket.send(encodeForUdp(answer, udpSizeOf(query)), from.port, from.address);
    } catch {
      // What is not a query gets no answer.
    }
  });
  socket.on('error', () => {});
}

function serveConnection(connection: Connection, respond: Responder): void {
  let received = Buffer.alloc(0);
  connection.on('error', () => connection.destroy());
  connection.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 2 && received.length >= received.readUInt16BE(0) + 2) {
      const length = received.readUInt16BE(0) + 2;
      try {
        const answer = respond(streamDecode(received.subarray(0, length)));
        if (answer) connection.write(streamEncode(answer));
      } catch {
        connection.destroy();
        return;
      }
      received = received.subarray(length);
    }
  });
}

async function listenOnTcp(server: Server, port: number): Promise<number> {
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return (server.address() as AddressInfo).port;
}

async function bindUdp(port: number): Promise<Socket | undefined> {
  const socket = createSocket('udp4');
  try {
    socket.bind(port, '127.0.0.1');
    await once(socket, 'listening');
    return socket;
  } catch {
    socket.close();
    return undefined;
  }
}

/** Opens both sockets on one port of 127.0.0.1; 0 is any that is free for both. */
export async function openDnsSockets(respond: Responder, port: number): Promise<DnsSockets> {
  const connections = new Set<Connection>();
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const server = createServer((connection) => {
      connections.add(connection);
      connection.once('close', () => connections.delete(connection));
      serveConnection(connection, respond);
    });
    const bound = await listenOnTcp(server, port);
    const socket = await bindUdp(bound);
    if (socket) {
      serveDatagrams(socket, respond);
      return {
        port: bound,
        async close() {
          const closed = [once(server, 'close'), once(socket, 'close')];
          server.close();
          socket.close();
          for (const connection of connections) connection.destroy();
          await Promise.all(closed);
        },
      };
    }
    await new Promise((resolve) => server.close(resolve));
  }
  throw new Error(`No port of 127.0.0.1 is free for both TCP and UDP (${port} was asked for)`);
}
