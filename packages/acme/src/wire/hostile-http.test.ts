import { createServer, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { createAcme, generateAccountKey, readDirectory } from '../index.ts';
import { startScriptedCa } from '../tests/scripted-ca.builders.ts';
import { engineOf } from './handles.ts';

const never = new AbortController().signal;
const accountKey = await generateAccountKey();

/** A server that says whatever it likes to everyone who connects, one time after another until it is told to stop. */
async function startRude(talk: (socket: Socket) => void): Promise<{ directory: string; received: () => number }> {
  const sockets = new Set<Socket>();
  let received = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    socket.once('data', () => {
      received += 1;
      talk(socket);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return { directory: `http://127.0.0.1:${port}/dir`, received: () => received };
}

/** Writes for as long as the other side listens. */
function pour(socket: Socket, text: string, everyMs = 0): void {
  const write = () => {
    if (socket.destroyed) return;
    const next = () => (everyMs > 0 ? setTimeout(write, everyMs) : setImmediate(write));
    if (socket.write(text)) next();
    else socket.once('drain', next);
  };
  write();
}

const HEAD = 'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n';
const CHUNK = `${(65_536).toString(16)}\r\n${'x'.repeat(65_536)}\r\n`;

test.each<[string, (socket: Socket) => void, string]>([
  ['headers of a megabyte', (socket) => socket.end(`${HEAD}x: ${'y'.repeat(1_000_000)}\r\n\r\n{}`), 'NOT_ACME'],
  [
    'headers without end',
    (socket) => {
      socket.write(HEAD);
      pour(
        socket,
        `x-${'y'.repeat(1000)}: z
`,
      );
    },
    'NOT_ACME',
  ],
  [
    'a body without end',
    (socket) => {
      socket.write(`${HEAD}transfer-encoding: chunked\r\n\r\n`);
      pour(socket, CHUNK);
    },
    'NOT_ACME',
  ],
  ['a length of a terabyte', (socket) => socket.write(`${HEAD}content-length: 1000000000000\r\n\r\n{`), 'UNREACHABLE'],
  [
    'a body that drips',
    (socket) => {
      socket.write(`${HEAD}content-length: 100000\r\n\r\n{`);
      pour(socket, ' ', 50);
    },
    'UNREACHABLE',
  ],
  [
    'headers that drip',
    (socket) => {
      socket.write('HTTP/1.1 200 OK\r\nx: ');
      pour(socket, 'y', 50);
    },
    'UNREACHABLE',
  ],
  ['interim answers without end', (socket) => pour(socket, 'HTTP/1.1 103 Early Hints\r\n\r\n', 20), 'UNREACHABLE'],
  ['two lengths', (socket) => socket.end(`${HEAD}content-length: 2\r\ncontent-length: 3\r\n\r\n{}`), 'UNREACHABLE'],
  ['bytes of another protocol', (socket) => socket.end('\u0000\u0001\u0002SSH-2.0\r\n'), 'NOT_ACME'],
  [
    'a switch of protocols',
    (socket) => socket.end('HTTP/1.1 101 Switching Protocols\r\nupgrade: x\r\n\r\n'),
    'UNREACHABLE',
  ],
])('%s is one typed error, in bounded time and memory', async (_, talk, code) => {
  const { directory, received } = await startRude(talk);
  // What is refused for what it is must not depend on how fast it comes.
  const requestTimeoutMs = code === 'NOT_ACME' ? 3_600_000 : 700;
  const ca = createAcme({ directory, accountKey, requestTimeoutMs, sleep: async () => {} });
  onTestFinished(() => ca.close());
  const before = process.memoryUsage().rss;
  await expect(readDirectory(ca, { signal: never })).rejects.toMatchObject({ code: `CERTBUS_ACME_${code}` });
  expect(received()).toBeLessThanOrEqual(4);
  expect(process.memoryUsage().rss - before).toBeLessThan(200_000_000);
});

test.each([301, 302, 303, 307, 308])('a redirect with %i is not followed, to nowhere', async (status) => {
  await using elsewhere = await startScriptedCa();
  await using server = await startScriptedCa(({ path }) =>
    path === '/order' ? { status, headers: { location: `${elsewhere.origin}/order` } } : undefined,
  );
  const ca = createAcme({ directory: server.directory, accountKey });
  onTestFinished(() => ca.close());
  using session = await engineOf(ca).open({ signal: never });
  await expect(session.createOrder({})).rejects.toMatchObject({ code: 'CERTBUS_ACME_NOT_ACME' });
  expect(elsewhere.asked).toEqual([]);
});

test('lines of one header that contradict each other say nothing', async () => {
  const body = JSON.stringify({ newNonce: '/n', newAccount: '/a', newOrder: '/o' });
  const lines = 'retry-after: 1\r\nretry-after: 100000\r\nreplay-nonce: one\r\nreplay-nonce: two';
  const { directory } = await startRude((socket) => {
    socket.end(`HTTP/1.1 429 No\r\n${lines}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  });
  const ca = createAcme({ directory, accountKey });
  onTestFinished(() => ca.close());
  await expect(readDirectory(ca, { signal: never })).rejects.toMatchObject({
    class: 'rate-limited',
    notBefore: undefined,
  });
});
