/** Tests of how a message gets to a server. */
import { createSocket } from 'node:dgram';
import { expect, onTestFinished, test } from 'vitest';
import { exchange } from './exchange.ts';

const { signal } = new AbortController();

test('a server by a name with addresses of both families is reached by the one that answers', async () => {
  const server = createSocket('udp4');
  server.on('message', (message, { port, address }) => {
    const answer = Buffer.from(message);
    answer.writeUInt16BE(0x8000, 2);
    server.send(answer, port, address);
  });
  await new Promise<void>((resolve) => server.bind(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const message = Buffer.alloc(12);
  message.writeUInt16BE(4711);
  const answer = await exchange(
    message,
    { host: 'localhost', port: server.address().port },
    { signal, transport: 'udp' },
  );
  expect(answer.readUInt16BE(0)).toBe(4711);
});
