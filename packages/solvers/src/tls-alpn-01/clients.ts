/** tls-alpn-01 answered by CertBus clients, which hear of the challenge by the bus. */
import type { Solver } from '@certbus/acme';
import { awaitHearing } from '../probes/hearing.ts';
import { awaitTlsAlpn01, type TlsAlpn01ProbeOptions } from '../probes/tls-alpn-01.ts';

/** How clients hear of challenges, and how to look at their answers. */
export interface TlsAlpn01ClientsOptions extends TlsAlpn01ProbeOptions {
  /** Tells the clients of challenges; what they are told lapses by itself. */
  readonly publish: Solver['present'];
}

/**
 * Answers tls-alpn-01 by the CertBus clients that serve the names: they are told of the challenges, and make the certificates (RFC 8737,
 * RFC 8738). Ready when each address of each name shows the right one; addresses of a family that this machine cannot reach count
 * only if no other is there; with `probe: false` nobody looks, and clients get fifteen seconds to hear of it. `ready` rejects with `CERTBUS_ACME_SOLVER_FAILED` at the timeout, `present` with the error
 * of `publish`.
 */
export function createTlsAlpn01ClientsSolver({ publish, ...probe }: TlsAlpn01ClientsOptions): Solver {
  const advice =
    'A CertBus client that is attached to its TLS server must run at each of its addresses and follow this bus.';
  return {
    challenges: ['tls-alpn-01'],
    present: publish,
    ready: probe.probe === false ? awaitHearing(probe) : awaitTlsAlpn01(advice, probe),
    async cleanUp() {},
  };
}
