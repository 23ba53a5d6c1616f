import { obtain, type Solver } from '@certbus/acme';
import type { Issuance } from '@certbus/events';
import { openAuthority } from './account.ts';
import type { Authority, Configuration } from './configuration.ts';
import type { Context } from './context.ts';
import { createOffer } from './offer.ts';

/** What is to be rehearsed. */
export interface Rehearsal {
  readonly config: Configuration;
  /** The CA proper, which names its staging. */
  readonly authority: Authority;
  readonly issuance: Issuance;
  readonly solver: Solver;
  readonly signal: AbortSignal;
}

/**
 * Makes an order at the staging CA with a key that nobody keeps. What fails there would have failed at the CA proper, which counts
 * failures and in the end pauses the name; so it fails here. Rejects as `obtain` does.
 */
export async function rehearse(
  context: Context,
  { config, authority, issuance, solver, signal }: Rehearsal,
): Promise<void> {
  const staging = config.authorities[authority.staging ?? ''];
  if (!staging) return;
  const { names, challengeType } = issuance;
  context.logger.info('trying an order at the staging CA first', { names, directory: staging.directory });
  const ca = await openAuthority(context, staging, { signal });
  const { csr } = await createOffer(issuance, context.view.state.bus);
  const order = { names, csr: Buffer.from(csr, 'base64'), challenge: challengeType, solver };
  await obtain(ca, { ...order, onOrder: async () => {}, signal });
}
