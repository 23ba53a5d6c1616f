/** Asks a server by TLS which certificate it serves. */
import type { X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { CliError } from '../errors.ts';

/** A server, as a command line names it. */
export interface ServerAddress {
  /** A host name, or an IP address without brackets. */
  readonly host: string;
  readonly port: number;
}

const HTTPS_PORT = 443;
const TIMEOUT_MS = 10_000;

const NO_TLS = 'the server does not speak TLS on this port, or not from the first byte';
const REFUSED = 'the server refuses the handshake, most often because it has no certificate for the name';

/** Reads `HOST`, `HOST:PORT`, `ADDRESS` or `[IPV6]:PORT`; the port is 443 where there is none. Throws `CERTBUS_CLI_USAGE`. */
export function parseServerAddress(text: string): ServerAddress {
  if (isIP(text) === 6) return { host: text, port: HTTPS_PORT };
  const {
    bracketed,
    host = bracketed,
    port = `${HTTPS_PORT}`,
  } = /^(?:\[(?<bracketed>[^\]]+)\]|(?<host>[^\s:/[\]]+))(?::(?<port>\d{1,5}))?$/.exec(text)?.groups ?? {};
  if (
    host !== undefined &&
    (bracketed === undefined || isIP(bracketed) === 6) &&
    Number(port) > 0 &&
    Number(port) <= 65_535
  )
    return { host, port: Number(port) };
  const what = `"${text}" is not a server. Write HOST or HOST:PORT, such as example.com or [2001:db8::1]:8443.`;
  throw new CliError('CERTBUS_CLI_USAGE', what);
}

/** What a server serves for a name. */
export interface Served {
  readonly leaf: X509Certificate;
  /** Such as `TLSv1.3`. */
  readonly protocol: string | undefined;
}

/** Why a connection or its handshake fails, by the code that Node gives it; other codes are shown as they are. */
const WHY: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the server ended the connection before it showed a certificate',
  EHOSTUNREACH: 'there is no way to that address',
  ENETUNREACH: 'there is no way to that address',
  ETIMEDOUT: 'nothing answers there',
  ENOTFOUND: 'the name has no address',
  EAI_AGAIN: 'DNS does not answer',
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_UNEXPECTED_MESSAGE: NO_TLS,
  ERR_SSL_TLSV1_UNRECOGNIZED_NAME: 'the server has no certificate for this name',
  // OpenSSL 3.5 and before.
  'ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE': REFUSED,
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE: REFUSED,
  ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR: REFUSED,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'the server takes no version of TLS that this program has',
};

function describeFailure({ code, message }: NodeJS.ErrnoException): string {
  if (code === undefined) return message;
  const why = WHY[code];
  return why === undefined ? code : `${why} (${code})`;
}

/**
 * The certificate that a server shows for a server name; without one, to a client that names none, as for an IP address. It is looked at, not
 * trusted. Rejects `CERTBUS_CLI_SERVER_UNREACHABLE` where nothing answers or the server refuses, and with the signal's reason.
 */
export function askServer(
  { host, port }: ServerAddress,
  { serverName, signal }: { readonly serverName: string | undefined; readonly signal: AbortSignal },
): Promise<Served> {
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      rejectUnauthorized: false,
      ...(serverName === undefined ? {} : { servername: serverName }),
    });
    const fail = (why: string, cause?: Error) => {
      socket.destroy();
      const what = `${host} port ${port} cannot be asked which certificate it serves${serverName ? ` for ${serverName}` : ''}: ${why}.`;
      reject(new CliError('CERTBUS_CLI_SERVER_UNREACHABLE', what, { cause }));
    };
    const abort = () => {
      socket.destroy();
      reject(signal.reason);
    };
    signal.addEventListener('abort', abort, { once: true });
    socket.once('close', () => signal.removeEventListener('abort', abort));
    socket.setTimeout(TIMEOUT_MS, () => fail(`it did not answer within ${TIMEOUT_MS / 1000} s`));
    socket.once('secureConnect', () => {
      const leaf = socket.getPeerX509Certificate();
      const protocol = socket.getProtocol() ?? undefined;
      if (!leaf) return fail('it showed no certificate');
      socket.destroy();
      resolve({ leaf, protocol });
    });
    socket.on('error', (error: NodeJS.ErrnoException) => fail(describeFailure(error), error));
  });
}
