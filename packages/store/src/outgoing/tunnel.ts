/** Opens a connection through a proxy with CONNECT (RFC 9110 section 9.3.6). */
import type { IncomingMessage } from 'node:http';
import { isIP, type Socket } from 'node:net';
import type { ProxyAddress } from './routes.ts';

/** What a proxy did: refused a connection, or was not there itself. */
export type TunnelErrorCode = 'ERR_PROXY_REFUSED' | 'ERR_PROXY_UNREACHABLE';

/** A connection that a proxy did not give. No credentials are in it. */
export class TunnelError extends Error {
  override readonly name = 'TunnelError';
  readonly code: TunnelErrorCode;

  constructor(code: TunnelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** How long to wait for a tunnel. */
export interface TunnelOptions {
  /** Milliseconds from the first packet to the proxy's answer. */
  readonly timeoutMs: number;
  /** Ends the wait. */
  readonly signal: AbortSignal;
}

const REASONS: Readonly<Record<number, string>> = {
  403: 'its rules do not allow it. Ask for this host to be allowed, or name it in NO_PROXY',
  405: 'it does not know CONNECT. Use a proxy that does',
  407: 'it wants a user name and a password, or others than these. Check those in the address of the proxy',
};

function refused({ host }: ProxyAddress, target: string, status: number): TunnelError {
  const why = REASONS[status] ?? 'look at its log, or name this host in NO_PROXY';
  const what = `the proxy ${host} refused the connection to ${target} (HTTP ${status}): ${why}`;
  return new TunnelError('ERR_PROXY_REFUSED', what);
}

function unreachable({ host }: ProxyAddress, cause: unknown): TunnelError {
  const why = cause instanceof Error ? ('code' in cause ? String(cause.code) : cause.message) : 'unknown';
  return new TunnelError('ERR_PROXY_UNREACHABLE', `the proxy ${host} cannot be reached: ${why}`, { cause });
}

/** Sends CONNECT; headers go as they are given. */
function connectTo({ isTls, hostname, port, authorization }: ProxyAddress, target: string) {
  const headers = {
    host: target,
    'proxy-connection': 'keep-alive',
    ...(authorization ? { 'proxy-authorization': authorization } : {}),
  };
  const options = { host: hostname, port, method: 'CONNECT', path: target, headers, agent: false } as const;
  // Not before a proxy needs them: who takes certificates without TLS loads no TLS, and an import of HTTP takes 17 MB in each thread.
  if (!isTls) return process.getBuiltinModule('node:http').request(options);
  return process.getBuiltinModule('node:https').request({ ...options, servername: isIP(hostname) ? '' : hostname });
}

/** A socket to the target, `HOST:PORT`, through a proxy. Rejects with a {@link TunnelError}, or the signal's reason. */
export async function openTunnel(
  proxy: ProxyAddress,
  target: string,
  { timeoutMs, signal }: TunnelOptions,
): Promise<Socket> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const call = connectTo(proxy, target);
  const abort = () => call.destroy(signal.reason);
  const late = () => call.destroy(new Error(`no answer within ${timeoutMs / 1000} s`));
  const timer = setTimeout(late, timeoutMs);
  signal.addEventListener('abort', abort);
  call.once('connect', ({ statusCode = 0 }: IncomingMessage, socket: Socket, head: Buffer) => {
    if (statusCode >= 200 && statusCode < 300) {
      if (head.length > 0) socket.unshift(head);
      resolve(socket);
      return;
    }
    socket.destroy();
    reject(refused(proxy, target, statusCode));
  });
  call.once('error', (error) => reject(signal.aborted ? signal.reason : unreachable(proxy, error)));
  call.end();
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
  }
}
