/** Reads server name and protocols from the first bytes of a TLS connection. */
/** What a TLS client says first, as far as it matters here (RFC 8446 §4.1.2). */
export interface ClientHello {
  /** As sent; `undefined` where the client names no server. */
  readonly serverName: string | undefined;
  /** Protocols offered by ALPN, in the client's order. */
  readonly protocols: readonly string[];
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const ALPN = 16;

/** Reads vectors of TLS one after another. Throws `RangeError` behind the end. */
class Reader {
  readonly #bytes: Buffer;
  #at = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#bytes.length;
  }

  number(size: number): number {
    const value = this.#bytes.readUIntBE(this.#at, size);
    this.#at += size;
    return value;
  }

  take(size: number): Buffer {
    if (this.#at + size > this.#bytes.length) throw new RangeError('the message ends too early');
    this.#at += size;
    return this.#bytes.subarray(this.#at - size, this.#at);
  }

  /** A vector behind a length of `size` bytes. */
  vector(size: number): Buffer {
    return this.take(this.number(size));
  }
}

/** The handshake bytes of the records that are there whole; `undefined` for what is no TLS handshake. */
function joinRecords(bytes: Buffer): Buffer | undefined {
  const parts: Buffer[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (bytes[at] !== HANDSHAKE) return undefined;
    if (at + 5 > bytes.length) break;
    const end = at + 5 + bytes.readUInt16BE(at + 3);
    parts.push(bytes.subarray(at + 5, end));
    at = end;
  }
  return Buffer.concat(parts);
}

function serverNameOf(extension: Buffer): string | undefined {
  const list = new Reader(new Reader(extension).vector(2));
  while (!list.isAtEnd) {
    const type = list.number(1);
    const name = list.vector(2);
    if (type === HOST_NAME) return name.toString('latin1');
  }
  return undefined;
}

function protocolsOf(extension: Buffer): string[] {
  const list = new Reader(new Reader(extension).vector(2));
  const protocols: string[] = [];
  while (!list.isAtEnd) protocols.push(list.vector(1).toString('latin1'));
  return protocols;
}

function parseHello(body: Buffer): ClientHello {
  const hello = new Reader(body);
  // Version and random, session id, cipher suites, compression methods.
  hello.take(34);
  hello.vector(1);
  hello.vector(2);
  hello.vector(1);
  let serverName: string | undefined;
  let protocols: string[] = [];
  if (hello.isAtEnd) return { serverName, protocols };
  const extensions = new Reader(hello.vector(2));
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const extension = extensions.vector(2);
    if (type === SERVER_NAME) serverName = serverNameOf(extension);
    if (type === ALPN) protocols = protocolsOf(extension);
  }
  return { serverName, protocols };
}

/**
 * Reads the ClientHello that a connection begins with: `incomplete` while more bytes are needed, `undefined` for whatever is none.
 * It decides only who goes on with the connection, and changes nothing of it.
 */
export function readClientHello(bytes: Buffer): ClientHello | 'incomplete' | undefined {
  const message = joinRecords(bytes);
  if (!message || (message.length > 0 && message[0] !== CLIENT_HELLO)) return undefined;
  if (message.length < 4 || message.length < 4 + message.readUIntBE(1, 3)) return 'incomplete';
  try {
    return parseHello(message.subarray(4, 4 + message.readUIntBE(1, 3)));
  } catch (error) {
    if (error instanceof RangeError) return undefined;
    throw error;
  }
}
