/** Reads server name, protocols, cipher suites and groups from the first bytes of a TLS connection. */

/** What a TLS client says first, as far as it matters here (RFC 8446 §4.1.2). */
export interface ClientHello {
  /** As sent; `undefined` where the client names no server. */
  readonly serverName: string | undefined;
  /** Protocols offered by ALPN, in the client's order. */
  readonly protocols: readonly string[];
  /** By their numbers, in the client's order. */
  readonly cipherSuites: readonly number[];
  /** Curves and other groups that the client supports, by their numbers; `undefined` where it says nothing of them. */
  readonly groups: readonly number[] | undefined;
}

const HANDSHAKE = 22;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const HOST_NAME = 0;
const SUPPORTED_GROUPS = 10;
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

function numbersOf(vector: Buffer): number[] {
  const list = new Reader(vector);
  const numbers: number[] = [];
  while (!list.isAtEnd) numbers.push(list.number(2));
  return numbers;
}

function parseHello(body: Buffer): ClientHello {
  const hello = new Reader(body);
  // Version and random, session id; behind the cipher suites the compression methods.
  hello.take(34);
  hello.vector(1);
  const cipherSuites = numbersOf(hello.vector(2));
  hello.vector(1);
  let serverName: string | undefined;
  let protocols: string[] = [];
  let groups: number[] | undefined;
  if (hello.isAtEnd) return { serverName, protocols, cipherSuites, groups };
  const extensions = new Reader(hello.vector(2));
  while (!extensions.isAtEnd) {
    const type = extensions.number(2);
    const extension = extensions.vector(2);
    if (type === SERVER_NAME) serverName = serverNameOf(extension);
    if (type === ALPN) protocols = protocolsOf(extension);
    if (type === SUPPORTED_GROUPS) groups = numbersOf(new Reader(extension).vector(2));
  }
  return { serverName, protocols, cipherSuites, groups };
}

/** Takes the bytes of a connection as they come, each of them once. */
export interface HelloReader {
  /**
   * Takes what came next. Returns the ClientHello once it is there whole, `undefined` for whatever is none, and `incomplete` while more
   * bytes are needed. It decides only who goes on with the connection, and changes nothing of it.
   */
  push(chunk: Buffer): ClientHello | 'incomplete' | undefined;
}

const RECORD_HEADER = 5;
const MESSAGE_HEADER = 4;

/** Reads the ClientHello that a connection begins with, in whatever records and chunks it comes (RFC 8446 section 5.1). */
export function createHelloReader(): HelloReader {
  /** The header of the record that is being read, as far as it has come. */
  const header = Buffer.alloc(RECORD_HEADER);
  let headerLength = 0;
  /** Bytes of the record that are still to come. */
  let left = 0;
  /** Handshake bytes, without the records' headers. */
  const parts: Buffer[] = [];
  let length = 0;
  /** Of the message with its header; known once that is there. */
  let wanted = Number.POSITIVE_INFINITY;

  function measure(): void {
    if (wanted !== Number.POSITIVE_INFINITY || length < MESSAGE_HEADER) return;
    // Few bytes: the first parts, of which a stranger may have made four.
    wanted = MESSAGE_HEADER + Buffer.concat(parts, MESSAGE_HEADER).readUIntBE(1, 3);
  }

  function parse(): ClientHello | undefined {
    try {
      return parseHello(Buffer.concat(parts, wanted).subarray(MESSAGE_HEADER));
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
  }

  function takeHeader(byte: number): void {
    header[headerLength] = byte;
    headerLength += 1;
    if (headerLength < RECORD_HEADER) return;
    left = header.readUInt16BE(3);
    headerLength = 0;
  }

  return {
    push(chunk) {
      for (let at = 0; at < chunk.length; ) {
        if (left === 0) {
          const byte = chunk.readUInt8(at);
          if (headerLength === 0 && byte !== HANDSHAKE) return undefined;
          takeHeader(byte);
          at += 1;
          continue;
        }
        const part = chunk.subarray(at, at + left);
        if (length === 0 && part[0] !== CLIENT_HELLO) return undefined;
        parts.push(part);
        length += part.length;
        left -= part.length;
        at += part.length;
        measure();
        if (length >= wanted) return parse();
      }
      return 'incomplete';
    },
  };
}
