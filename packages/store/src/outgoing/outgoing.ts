/** The way from this machine to other hosts: one decision about proxies, for every library that sends requests. */
import type { Agent } from 'undici';
import { type AgentOptions, type Agents, createAgents } from './agents.ts';
import type { DispatcherOptions } from './dispatcher.ts';
import { createRoutes, type RouteOptions } from './routes.ts';

/** The way from this machine to other hosts, where a proxy is on it. Requests go through its `CONNECT`, those by http as well. */
export interface Outgoing {
  /**
   * `HOST:PORT` of the proxy that a URL is reached through, for messages; `undefined` where it is reached directly. Throws
   * `CERTBUS_STORE_PROXY_INVALID`, which names the variable that is wrong.
   */
  proxyHost(url: string): string | undefined;
  /** Opens a dispatcher for undici's `request` and `fetch`. The caller closes it. */
  openDispatcher(options?: DispatcherOptions): Promise<Agent>;
  /** Makes agents for `node:http` and `node:https`, such as for the `requestHandler` of the AWS SDK, which destroys them itself. */
  agents(options?: AgentOptions): Agents;
}

/**
 * The way out that an option or else an environment describes: HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY, in small letters
 * first. `undefined` where every host is reached directly. Throws `CERTBUS_STORE_PROXY_INVALID` for an option that is not a proxy.
 */
export function createOutgoing(options: RouteOptions): Outgoing | undefined {
  const routes = createRoutes(options);
  if (!routes) return undefined;
  return {
    proxyHost: (url) => routes(new URL(url))?.host,
    async openDispatcher(own = {}) {
      // Importing this room is cheap, and undici is not.
      const { createDispatcher } = await import('./dispatcher.ts');
      return createDispatcher(routes, own);
    },
    agents: (own) => createAgents(routes, own),
  };
}
