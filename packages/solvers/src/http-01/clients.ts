/** http-01 answered by CertBus clients, most of it without announcement. */
import type { Solver } from '@certbus/acme';
import { awaitHearing } from '../probes/hearing.ts';
import { awaitHttp01, type Http01ProbeOptions } from '../probes/http-01.ts';

/** How clients hear of challenges, and how to look at their answers. */
export interface Http01ClientsOptions extends Http01ProbeOptions {
  /** Tells the clients of those challenges that they do not answer by themselves; what they are told lapses by itself. */
  readonly publish: Solver['present'];
}

/**
 * Answers http-01 by the CertBus clients that serve the names already: they know the thumbprint of one account from the bus and answer
 * for it unasked, and are told of the challenges of others. Ready when each address of each name answers the challenge's own URL with
 * the key authorization; addresses of a family that this machine cannot reach count only if no other is there; with `probe: false` nobody
 * looks, and clients get fifteen seconds to hear of it. `ready` rejects with
 * `CERTBUS_ACME_SOLVER_FAILED` at the timeout, `present` with the error of `publish`.
 */
export function createHttp01ClientsSolver({ publish, ...options }: Http01ClientsOptions): Solver {
  return {
    challenges: ['http-01'],
    present: publish,
    ready:
      options.probe === false
        ? awaitHearing(options)
        : awaitHttp01('A CertBus client must run at each of its addresses and follow this bus.', options),
    async cleanUp() {},
  };
}
