/** Sends one DNS message to a server and takes its answer. */
import { createSocket } from 'node:dgram';
import type { LookupAddress } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect, isIP } from 'node:net';

/** A server by address or host name. */
export interface ServerAddress {
  readonly host: string;
  readonly port: number;
}

const DATAGRAM_BYTES = 512;
const DATAGRAM_TRIES = 2;
const DATAGRAM_MS = 2000;
const STREAM_MS = 10_000;
const TRUNCATED = 0x02;

/** Reads `HOST`, `HOST:PORT` or `[IPV6]:PORT`. Throws `TypeError`. */
export function parseServer(text: string): ServerAddress {
  const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(text);
  const plain = isIP(text) === 6 ? [text, text, undefined] : /^([^:[\]\s]+)(?::(\d+))?$/.exec(text);
  const [, host, port = '53'] = bracketed ?? plain ?? [];
  if (!host || Number(port) > 65_535 || Number(port) < 1) {
    throw new TypeError(`"${text}" is not a server: write HOST, HOST:PORT or [IPV6]:PORT`);
  }
  return { host, port: Number(port) };
}

const isAnswerTo = (message: Buffer, answer: Buffer): boolean =>
  answer.length >= 12 && answer.readUInt16BE(0) === message.readUInt16BE(0) && (answer[2] ?? 0) >= 0x80;

/** Asks an address once by UDP; `undefined` where no answer comes in time, or there is no way to it. */
async function askByDatagram(
  message: Buffer,
  { host, port }: ServerAddress,
  signal: AbortSignal,
): Promise<Buffer | undefined> {
  const socket = createSocket(isIP(host) === 6 ? 'udp6' : 'udp4');
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DATAGRAM_MS)]);
  try {
    socket.connect(port, host);
    await once(socket, 'connect', { signal: limit });
    socket.send(message);
    for (;;) {
      const [answer] = await once(socket, 'message', { signal: limit });
      if (isAnswerTo(message, answer)) return answer;
    }
  } catch (error) {
    signal.throwIfAborted();
    if (limit.aborted || (error instanceof Error && 'syscall' in error)) return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

/** Asks by TCP, where each message has its length before it (RFC 1035 §4.2.2). */
async function askByStream(message: Buffer, { host, port }: ServerAddress, signal: AbortSignal): Promise<Buffer> {
  const socket = connect({ host, port });
  const limit = AbortSignal.any([signal, AbortSignal.timeout(STREAM_MS)]);
  const end = () => socket.destroy(new Error(`no answer within ${STREAM_MS / 1000} s`));
  limit.addEventListener('abort', end, { once: true });
  try {
    const length = Buffer.alloc(2);
    length.writeUInt16BE(message.length);
    socket.write(Buffer.concat([length, message]));
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk]);
      const end = received.length < 2 ? Number.POSITIVE_INFINITY : 2 + received.readUInt16BE(0);
      if (received.length < end) continue;
      const answer = received.subarray(2, end);
      if (isAnswerTo(message, answer)) return answer;
      throw new Error('the answer is for another question');
    }
    throw new Error('the connection was closed before an answer came');
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    limit.removeEventListener('abort', end);
    socket.destroy();
  }
}

/** As many as there are tries, of both families in turn: which of them this machine reaches, trying shows. */
function inTurns(addresses: readonly LookupAddress[], tries: number): readonly LookupAddress[] {
  const [first] = addresses;
  if (!first) return [];
  const other = addresses.find(({ family }) => family !== first.family) ?? first;
  return Array.from({ length: tries }, (_, tried) => (tried % 2 === 0 ? first : other));
}

/**
 * Sends a message and gets its answer: small ones by UDP, sent twice at most, which an update bears; large ones, truncated answers and
 * lost ones by TCP. Rejects with the signal's reason, or with what the network says, within fifteen seconds.
 */
export async function exchange(
  message: Buffer,
  server: ServerAddress,
  { signal, transport }: { readonly signal: AbortSignal; readonly transport: 'udp' | 'tcp' },
): Promise<Buffer> {
  signal.throwIfAborted();
  const tries = transport === 'udp' && message.length <= DATAGRAM_BYTES ? DATAGRAM_TRIES : 0;
  const addresses = tries > 0 ? await lookup(server.host, { all: true }) : [];
  signal.throwIfAborted();
  for (const { address } of inTurns(addresses, tries)) {
    const answer = await askByDatagram(message, { host: address, port: server.port }, signal);
    if (!answer) continue;
    if (((answer[2] ?? 0) & TRUNCATED) === 0) return answer;
    break;
  }
  return askByStream(message, server, signal);
}
