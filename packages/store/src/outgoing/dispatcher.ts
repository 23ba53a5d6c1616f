/** A dispatcher of undici that goes through a proxy where the routes say so. */
import { Agent, buildConnector } from 'undici';
import type { Routes } from './routes.ts';
import { openTunnel } from './tunnel.ts';

/** Options of an undici `Agent`, with `connect` as options and not a function. */
export interface DispatcherOptions extends Omit<Agent.Options, 'connect' | 'factory'> {
  /** TLS and time-outs of connections; `timeout` bounds the way to the proxy as well. Default 10,000 ms. */
  readonly connect?: buildConnector.BuildOptions | undefined;
}

const TIMEOUT_MS = 10_000;

/** Connects directly or through a tunnel, over which TLS is checked end to end. */
function connectorFor(routes: Routes, { connect, allowH2 }: DispatcherOptions, signal: AbortSignal) {
  const direct = buildConnector({ ...(allowH2 === undefined ? {} : { allowH2 }), ...connect });
  const timeoutMs = connect?.timeout ?? TIMEOUT_MS;
  return (options: buildConnector.Options, done: buildConnector.Callback) => {
    const { protocol, host, hostname, port } = options;
    const isTls = protocol === 'https:';
    const open = async () => {
      const url = new URL(`${protocol}//${host ?? hostname}`);
      const proxy = routes(url);
      const authority = `${url.hostname}:${port || (isTls ? 443 : 80)}`;
      return proxy && (await openTunnel(proxy, authority, { timeoutMs, signal }));
    };
    open().then(
      (socket) => {
        if (!socket) direct(options, done);
        else if (isTls) direct({ ...options, httpSocket: socket }, done);
        else done(null, socket);
      },
      (error: Error) => done(error, null),
    );
  };
}

class TunnellingAgent extends Agent {
  readonly #stop: AbortController;

  constructor(routes: Routes, { connect, ...options }: DispatcherOptions) {
    const stop = new AbortController();
    super({ ...options, connect: connectorFor(routes, { connect, ...options }, stop.signal) });
    this.#stop = stop;
  }

  // Tunnels that are being opened do not belong to any client yet.
  override destroy(...given: unknown[]): Promise<void> {
    this.#stop.abort(new Error('the dispatcher is closed'));
    return Reflect.apply(super.destroy, this, given) as Promise<void>;
  }
}

/** A dispatcher that reaches each URL as the routes say. */
export function createDispatcher(routes: Routes, options: DispatcherOptions): Agent {
  return new TunnellingAgent(routes, options);
}
