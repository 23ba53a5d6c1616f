/** Tests what `certbus inspect` makes of servers that show no certificate. */
import { once } from 'node:events';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, onTestFinished, test } from 'vitest';
import { askServer } from './served.ts';

const { signal } = new AbortController();

/** Starts a server, and returns its port. */
async function listen(server: Server): Promise<number> {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  onTestFinished(() => void server.close());
  return (server.address() as AddressInfo).port;
}

const plain = (greet: (socket: Socket) => void) =>
  createServer((socket) => {
    socket.on('error', () => {});
    greet(socket);
  });

/** A port that nothing listens on. */
async function freePort(): Promise<number> {
  const server = createServer();
  const port = await listen(server);
  server.close();
  await once(server, 'close');
  return port;
}

const NO_TLS = 'the server does not speak TLS on this port, or not from the first byte (ERR_SSL_';

test.each([
  ['HTTP', () => listen(createHttpServer((_, response) => response.end())), NO_TLS],
  ['SSH', () => listen(plain((socket) => socket.write('SSH-2.0-OpenSSH_9.2\r\n'))), NO_TLS],
  ['SMTP', () => listen(plain((socket) => socket.write('220 mail.example.com ESMTP\r\n'))), NO_TLS],
  ['what it is told', () => listen(plain((socket) => socket.pipe(socket))), NO_TLS],
  ['TLS without a certificate', () => listen(createTlsServer({})), 'the server refuses the handshake, most often'],
  [
    'nothing, and hangs up',
    () => listen(plain((socket) => socket.end())),
    'the server ended the connection before it showed a certificate (ECONNRESET)',
  ],
  ['nothing, since it is not there', freePort, 'nothing listens there (ECONNREFUSED)'],
] as const)('of a server that speaks %s the reason is said in words', async (_, start, why) => {
  const port = await start();
  await expect(askServer({ host: '127.0.0.1', port }, { serverName: 'a.test', signal })).rejects.toMatchObject({
    code: 'CERTBUS_CLI_SERVER_UNREACHABLE',
    message: expect.stringContaining(
      `127.0.0.1 port ${port} cannot be asked which certificate it serves for a.test: ${why}`,
    ),
  });
});
