/** Agents of `node:http` and `node:https` that go through a proxy, for programs such as the AWS SDK. */
import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import { isIP, isIPv6, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { ConnectionOptions, TLSSocket } from 'node:tls';
import { portOf } from './no-proxy.ts';
import type { ProxyAddress, Routes } from './routes.ts';
import { openTunnel, TunnelError, type TunnelOptions } from './tunnel.ts';

/** How a pair of agents connects. */
export interface AgentOptions {
  /** Bound of the way through a proxy, TLS included, in milliseconds. Default 10,000. */
  readonly timeoutMs?: number | undefined;
}

/** The agents of both schemes; `destroy` ends what each has open or is opening. */
export interface Agents {
  readonly httpAgent: HttpAgent;
  readonly httpsAgent: HttpsAgent;
}

/** What `node:http` gives an agent of the host to connect to. */
interface Target {
  readonly host?: string | null | undefined;
  readonly port?: number | string | null | undefined;
}

type Created = (error: Error | null, socket: Duplex) => void;

/** As many sockets as the AWS SDK's own agents have. */
const POOL = { keepAlive: true, maxSockets: 50 };
const TIMEOUT_MS = 10_000;

/** TLS with the target, over a tunnel. */
async function secure(socket: Socket, target: ConnectionOptions, { timeoutMs, signal }: TunnelOptions) {
  const { promise, resolve, reject } = Promise.withResolvers<TLSSocket>();
  const { connect: connectTls } = process.getBuiltinModule('node:tls');
  // The agent's options have the path of the request, which is a pipe's to `tls`.
  const { path: _, ...options } = target;
  const servername = options.servername ?? (isIP(options.host ?? '') ? '' : options.host);
  const secured = connectTls({ ...options, servername: servername ?? '', ALPNProtocols: ['http/1.1'], socket });
  const abort = () => secured.destroy(signal.reason);
  const late = () =>
    secured.destroy(new TunnelError('ERR_PROXY_UNREACHABLE', `no TLS through the proxy within ${timeoutMs / 1000} s`));
  const timer = setTimeout(late, timeoutMs);
  signal.addEventListener('abort', abort);
  secured.once('secureConnect', () => resolve(secured)).once('error', reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', abort);
    secured.off('error', reject);
  }
}

/** The tunnels of one agent. */
class Tunnels {
  readonly #routes: Routes;
  readonly #timeoutMs: number;
  readonly #stop = new AbortController();

  constructor(routes: Routes, timeoutMs: number) {
    this.#routes = routes;
    this.#timeoutMs = timeoutMs;
  }

  async #open(proxy: ProxyAddress, url: URL, target: Target): Promise<Socket> {
    const limits = { timeoutMs: this.#timeoutMs, signal: this.#stop.signal };
    const socket = await openTunnel(proxy, `${url.hostname}:${portOf(url)}`, limits);
    return url.protocol === 'https:' ? secure(socket, target as ConnectionOptions, limits) : socket;
  }

  /** Begins to connect through a proxy; false where the target is reached directly. */
  connect(protocol: 'http:' | 'https:', target: Target, created: Created | undefined): boolean {
    const fail = (error: Error) => created?.(error, undefined as never);
    const { host, port } = target;
    const url = new URL(`${protocol}//${isIPv6(host ?? '') ? `[${host}]` : (host ?? 'localhost')}`);
    url.port = String(port ?? '');
    try {
      const proxy = this.#routes(url);
      if (!proxy) return false;
      this.#open(proxy, url, target).then((socket) => created?.(null, socket), fail);
    } catch (error) {
      // Thrown from here, it would leave the timers of the AWS SDK behind.
      fail(error as Error);
    }
    return true;
  }

  close(): void {
    this.#stop.abort(new Error('the agent is closed'));
  }
}

/** An agent of its own class, whose connections go through a proxy where the routes say so. */
function createAgent(protocol: 'http:' | 'https:', tunnels: Tunnels): HttpAgent {
  // Not before agents are used: who takes certificates without TLS loads no TLS, and an import of HTTP takes 17 MB in each thread.
  const { Agent }: { Agent: typeof HttpAgent } =
    protocol === 'http:' ? process.getBuiltinModule('node:http') : process.getBuiltinModule('node:https');
  class TunnellingAgent extends Agent {
    override createConnection(target: Target, created?: Created): Duplex | null | undefined {
      return tunnels.connect(protocol, target, created) ? undefined : super.createConnection(target, created);
    }

    override destroy(): void {
      tunnels.close();
      super.destroy();
    }
  }
  return new TunnellingAgent(POOL);
}

/** Agents that reach each URL as the routes say. */
export function createAgents(routes: Routes, { timeoutMs = TIMEOUT_MS }: AgentOptions = {}): Agents {
  return {
    httpAgent: createAgent('http:', new Tunnels(routes, timeoutMs)),
    httpsAgent: createAgent('https:', new Tunnels(routes, timeoutMs)) as HttpsAgent,
  };
}
