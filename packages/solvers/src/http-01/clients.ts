/** http-01 answered by CertBus clients, which need no announcement. */
import type { Solver } from '@certbus/acme';
import { awaitHttp01, type Http01ProbeOptions } from '../probes/http-01.ts';

/** How to look at the answers of CertBus clients. */
export type Http01ClientsOptions = Http01ProbeOptions;

/**
 * Answers http-01 by the CertBus clients that serve the names already: they know the account's thumbprint from the bus, so nothing is
 * presented. Ready when each address of each name answers the challenge's own URL with the key authorization; addresses of a
 * family that this machine cannot reach count only if no other is there. `ready` rejects with `CERTBUS_ACME_SOLVER_FAILED` at the
 * timeout.
 */
export function createHttp01ClientsSolver(options: Http01ClientsOptions = {}): Solver {
  return {
    challenges: ['http-01'],
    async present() {},
    ready: awaitHttp01('A CertBus client must run at each of its addresses and follow this bus.', options),
    async cleanUp() {},
  };
}
