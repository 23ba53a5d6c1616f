/** The port to a proxy between this machine and the APIs that solvers write to. */
import type { Agent as HttpAgent } from 'node:http';
import type { Agent as HttpsAgent } from 'node:https';
import type { Outgoing as CaOutgoing } from '@certbus/acme';

/**
 * Port: the way from this machine to other hosts, where a proxy is on it. `createOutgoing` of `@certbus/store/outgoing` makes one of
 * HTTPS_PROXY and NO_PROXY.
 */
export interface Outgoing extends CaOutgoing {
  /** Makes agents for `requestHandler` of the AWS SDK; their way to a proxy and through it MUST end within `timeoutMs`. */
  agents(options: { readonly timeoutMs: number }): { readonly httpAgent: HttpAgent; readonly httpsAgent: HttpsAgent };
}
