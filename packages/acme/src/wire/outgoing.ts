/** The port to a proxy between this machine and a CA. */
import type { Agent, buildConnector, Dispatcher } from 'undici';

/** How connections are opened: options of an undici `Agent`, with `connect` as options. */
export interface DispatcherOptions extends Omit<Agent.Options, 'connect' | 'factory'> {
  /** TLS and time-outs of connections. */
  readonly connect?: buildConnector.BuildOptions | undefined;
}

/**
 * Port: the way from this machine to other hosts, where a proxy is on it. `createOutgoing` of `@certbus/store/outgoing` makes one of
 * HTTPS_PROXY and NO_PROXY. A connection that the proxy refuses MUST fail with the code `ERR_PROXY_REFUSED`, one to a proxy
 * that is away with `ERR_PROXY_UNREACHABLE`; TLS MUST be checked end to end, and no error may have the credentials of the proxy.
 */
export interface Outgoing {
  /** Host of the proxy that a URL is reached through, for messages; `undefined` where it is reached directly. Throws for a proxy that is not one. */
  proxyHost(url: string): string | undefined;
  /** Opens a dispatcher. Who opens it closes it. */
  openDispatcher(options: DispatcherOptions): Promise<Dispatcher>;
}
