import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { expect, test, vi } from 'vitest';
import type { ClientHello } from './client-hello.ts';
import { peekHello } from './hello-peek.ts';

const vector = (size: number, bytes: Buffer): Buffer => {
  const length = Buffer.alloc(size);
  length.writeUIntBE(bytes.length, 0, size);
  return Buffer.concat([length, bytes]);
};
const extension = (type: number, body: Buffer) =>
  Buffer.concat([Buffer.from([type >> 8, type & 255]), vector(2, body)]);

/** A ClientHello for a name, padded to at least so many bytes (RFC 7685). */
function helloFor(serverName: string, padding: number): Buffer {
  const name = vector(2, Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(serverName))]));
  const alpn = vector(2, vector(1, Buffer.from('acme-tls/1')));
  const extensions = Buffer.concat([extension(0, name), extension(16, alpn), extension(21, Buffer.alloc(padding))]);
  const body = Buffer.concat([
    Buffer.alloc(34),
    vector(1, Buffer.alloc(0)),
    vector(2, Buffer.from([0x13, 0x01])),
    vector(1, Buffer.from([0])),
    vector(2, extensions),
  ]);
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
}

/** A handshake message in records of so many bytes each. */
function inRecords(message: Buffer, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += size)
    parts.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + size)));
  return Buffer.concat(parts);
}

/** Gives bytes to a peek in chunks of a size; returns what it found, what it gave back, and how many bytes it copied meanwhile. */
async function peek(bytes: Buffer, chunkSize: number) {
  const socket = new Duplex({ read() {}, write() {} });
  let seen: { readonly hello: ClientHello | undefined } | undefined;
  const concat = vi.spyOn(Buffer, 'concat');
  peekHello(socket as unknown as Socket, (hello) => {
    seen = { hello };
  });
  for (let at = 0; at < bytes.length && !seen; at += chunkSize) {
    socket.push(bytes.subarray(at, at + chunkSize));
    // The stream reports each chunk by itself.
    await new Promise((resolve) => process.nextTick(resolve));
    await new Promise((resolve) => setImmediate(resolve));
  }
  const copied = concat.mock.results.reduce((sum, { value }) => sum + (value as Buffer).length, 0);
  concat.mockRestore();
  const given = socket.read() as Buffer | null;
  socket.destroy();
  return { seen, copied, given };
}

const hello = helloFor('a.test', 8_000);

test.each([
  ['byte by byte', 16_384, 1],
  ['in records of one byte', 1, 4],
  ['in records of one byte, byte by byte', 1, 1],
  ['at once', 16_384, 100_000],
])('a ClientHello that comes %s is looked at once', async (_, recordSize, chunkSize) => {
  const bytes = inRecords(recordSize === 1 ? helloFor('a.test', 500) : hello, recordSize);
  const { seen, copied, given } = await peek(bytes, chunkSize);
  expect(seen).toEqual({ hello: { serverName: 'a.test', protocols: ['acme-tls/1'], cipherSuites: [0x1301] } });
  // Once to read the message, once to give everything back.
  expect(copied).toBeLessThanOrEqual(2 * bytes.length);
  expect(given?.equals(bytes)).toBe(true);
});

test.each([
  ['a request of HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), 1],
  ['another handshake message', inRecords(Buffer.concat([Buffer.from([2]), vector(3, Buffer.alloc(9))]), 100), 1],
  [
    'a hello whose lengths are wrong',
    inRecords(Buffer.concat([Buffer.from([1]), vector(3, Buffer.alloc(20, 255))]), 100),
    3,
  ],
])('%s is given back whole', async (_, bytes, chunkSize) => {
  const { seen, given } = await peek(bytes, chunkSize);
  expect(seen).toEqual({ hello: undefined });
  expect(given && bytes.subarray(0, given.length).equals(given)).toBe(true);
});

test('a hello without end is given up at 64 KiB, and was copied once', async () => {
  const endless = inRecords(Buffer.concat([Buffer.from([1, 255, 255, 255]), Buffer.alloc(200_000)]), 10);
  const { seen, copied, given } = await peek(endless, 64);
  expect(seen).toEqual({ hello: undefined });
  expect(copied).toBeLessThanOrEqual(2 * 65_600);
  expect(given?.length).toBeLessThanOrEqual(65_600);
});

test('what follows a hello at once, as early data does, does not hide it', async () => {
  const bytes = Buffer.concat([inRecords(hello, 16_384), Buffer.from([20, 3, 3, 0, 1, 1, 23, 3, 3, 0, 1, 9])]);
  const { seen, given } = await peek(bytes, 100_000);
  expect(seen?.hello?.serverName).toBe('a.test');
  expect(given?.equals(bytes)).toBe(true);
});
